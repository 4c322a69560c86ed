"""
What people must hear of, read back from its topic. Workers write it (pipeline/notice, notices) and read it (news).

    board     the newest notices, and what stands now                                       pure
    posted    the board, kept up to date                                                    edge
    message   a notice -> Request; its reply -> sent, again or passed                       pure
    forward   notices are sent to an operator's own webhook                                 edge (aiokafka, HTTP)
"""
