"""
relay stands between an event bus and the outside world.

    leads.events --> consume -> decode -> match -> lane -> sign -> deliver -> settle --> results     every attempt
                                           ^                                     |-----> deliveries    retry, deferral
    deliveries.<delay> -- (when due) ------'                                     '-----> dead-letters  gave up

Three promises carry the rest: at least once; bounded memory and in-flight work; nothing is committed before its outcome
is acknowledged.

    model errors urls ports            values, and what can be wrong with them                              pure
    durations instants                 how long, and when, as people write it                               pure
    settings sources networks          how settings are written, and where they are set                     pure
    security retention together        of them, what is more than one setting's to say                      pure
    config                             environment and file -> Config, or every problem at once             edge
    credentials oauthbearer            who we are to Kafka, and whom we trust                               edge
    refusals                           what its no means, and what to do next                               edge
    topics findings                    what must exist on the broker, and what of it does not               pure
    broker embedded                    what the broker is asked besides records; the one of the demo        edge
    batches                            records of a fetch, also where the client gives up on one            edge
    coordinators                       where groups are led, also while no broker is named yet              edge
    ending                             how waits end, and clients that do not let go                        edge
    clock log metrics                  time, log lines and figures, each named in one place                 edge
    pipeline/                          the path, from a record to its outcome
    processes/                         several workers under one command
    store/                             subscriptions on their compacted topic, secrets sealed; Delivery History
    notices/                           what people must hear of, read back and sent on
    access/                            who may do what: tokens, sessions, the audit
    completeness/                      whether everything that matched has an outcome
    replay/                            sent again, or sent to try; a worker needs none of it
    console/                           what people may see and do over HTTP; a worker needs none of it
    cli/                               the commands
    workers                            what workers say of their lanes                                      edge
    receiver                           a receiver that verifies: for trying things out                      edge
    samples                            events to send, likewise                                             pure
    verification                       what a receiver does with signatures                                 pure

What is pure has no clock, no die and no wait. The docstring of a package is its map.
"""

__version__ = "0.1.0"
