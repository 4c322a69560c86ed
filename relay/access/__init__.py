"""
Who may do what: tokens and the record of every change, each on a topic of its own (DESIGN.md section 4).

The database can be dropped: who was let in, and who did what, is not in it.

    values    scopes, principals, tokens, entries of the audit                                pure
    codec     tokens and entries <-> the bytes of their records                               pure
    register  all tokens in memory, by id and by hash                                         pure
    tokens    a token made at random, and its hash
    store     tokens on their compacted topic: followed, made, revoked                        edge (aiokafka)
"""
