"""
Delivery History: what the results topic says, in a database that can be asked (DESIGN.md, P10).

A projection: where it stands in the log is kept in the transaction of the rows, so that no crash leaves a gap or makes
a double, and what the log holds is all that a row is made of. The database can be dropped at any time; reading the
topic again gives the same rows. Needs the extra `console`; a worker needs none of it.

    values      what is stored and what is told, as values                                            pure
    port        what a console asks
    rows        a record of the results topic -> its attempt, or why it cannot be read                pure
    folding     attempts -> deliveries, counts by minute and hour, counts of what stands              pure
    listing     what a listing asks -> which index answers it; cursors                                pure
    tables      the tables and their indexes                                                          SQLAlchemy's
    resuming    where a partition goes on, and what is told of that                                    pure
    migrations  how they came to be, for alembic
    database    connections, one writer at a time, what an error means                                edge (SQLAlchemy)
    bulk        thousands of rows in one statement                                                    edge (SQLAlchemy)
    writing     a batch of the log in one transaction                                                 edge (SQLAlchemy)
    reading     listings, a delivery with its attempts, how far behind it all is                      edge (SQLAlchemy)
    overview    figures of a time range                                                               edge (SQLAlchemy)
    pruning     retention by age and by size, a lead erased                                           edge (SQLAlchemy)
    store       all of that as one History                                                            edge (SQLAlchemy)
    tail        the results topic from where the store stands                                         edge (aiokafka)
    projector   the topic into the store, whatever befalls either                                     edge
"""
