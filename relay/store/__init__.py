"""
Subscriptions on their compacted topic, and the history that the results topic tells.

    keyring        secrets sealed and opened: AES-256-GCM under a ring of keys
    sealing        secrets and headers of a subscription sealed, and what is unchanged left as it was
    rewrap         what each key seals, and all of it sealed with the newest
    codec          a subscription <-> the bytes of its record                                pure
    sound          what must hold of a subscription, whoever wrote it                        pure
    forms          what a person wrote of a subscription -> values, or every problem at once pure
    limits         the bounds of timeout, rate and requests under way                        pure
    edits          what an edit makes of the subscriptions that there are                    pure
    desired        what a file says of an account's subscriptions -> an edit
    entry          an entry of the audit <-> the bytes of its record                         pure
    audited        what the audit says of an edit                                            pure
    fields         records that are JSON objects, for those who need say no more             pure
    follow         the topic from its beginning to its end, and as it grows                  edge (aiokafka)
    following      something in memory as a compacted topic is                               edge (aiokafka)
    writer         writes one in transactions that fence a rival                             edge (aiokafka)
    subscriptions  reads them all; writes in transactions that fence a rival                 edge (aiokafka)
    catalogue      keeps a worker's index as the topic is                                    edge
    history        the results topic in a database that can be asked; needs `console`        a package
"""
