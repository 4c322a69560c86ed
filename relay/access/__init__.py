"""
Who may do what: tokens and the record of every change, each on a topic of its own (DESIGN.md section 4).

The database can be dropped: who was let in, and who did what, is not in it.

    values    scopes, principals, tokens                                                      pure
    codec     tokens <-> the bytes of their records                                           pure
    forms     what a person wrote of a token to be made -> the token, or every problem        pure
    tokens    a token made at random, and its hash
    register  all tokens in memory, by id and by hash                                         pure
    store     tokens on their compacted topic: followed, made, revoked                        edge (aiokafka)
    audit     who did what to what, written and read backwards                                edge (aiokafka)
    claims    who a request says that it is from                                              pure
    origin    whether one of our own pages sent it                                            pure
    sessions  a browser's session, sealed into its cookie
    limit     how often anybody may try to log in                                             pure
    headers   what every answer tells a browser not to do                                     pure
    guard     the door: a middleware, and what comes of a login                               edge (aiohttp)
"""
