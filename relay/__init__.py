"""
relay stands between an event bus and the outside world.

    leads.events --> consume -> decode -> match -> lane -> sign -> deliver -> settle --> results     every attempt
                                           ^                                     |-----> deliveries    retry, deferral
    deliveries.<delay> -- (when due) ------'                                     '-----> dead-letters  gave up

Three promises carry the rest: at least once; bounded memory and in-flight work; nothing is committed before its outcome
is acknowledged.

    model errors durations urls ports  values, and what can be wrong with them                              pure
    config settings sources networks   environment and file -> Config, or every problem at once             pure
    pipeline/                          the path; its docstring says which modules are pure
    processes/                         several workers under one command
    store/                             subscriptions on their compacted topic, secrets sealed
    completeness/                      whether everything that matched has an outcome
    topics                             what must exist on the broker, and what of it does not               pure
    retention                          how long topics keep what they hold                                  pure
    batches                            records of a fetch, also where the client gives up on one            edge
    coordinators                       where groups are led, also while no broker is named yet              edge
    broker embedded                    what the broker is asked besides records; the one of the demo        edge
    receiver samples                   a receiver that verifies, and events to send: for trying things out  edge
    verification                       what a receiver does with signatures                                 pure
    workers                            what workers say of their lanes                                      edge
    replay/                            sent again, or sent to try; a worker needs none of it
    console/                           what people may see and do over HTTP; a worker needs none of it
    cli/                               the commands                                                         edge
    clock log metrics                  time, log lines and figures, each named in one place
"""

__version__ = "0.1.0"
