"""
The console: what people may see and do, over HTTP. Needs the extra `console`; a worker needs none of it.

    desk/            everything that a person may do, for whoever may: the API and the pages are two faces of it
    roster           the subscriptions in memory, as their topic is                                edge (aiokafka)
    views            values -> the JSON that people are shown                                      pure
    problems         what went wrong -> what is told of it, by the API and the pages               pure
    etags            what tells one form of a subscription from the next                           pure
    keys             where an application keeps its desk
    api/             HTTP, JSON: requests in, answers out
    pages/           HTML: what people see and do in a browser
    live             results as they are written, for those who look on                            edge (aiokafka)
    reconciling      whether every match has its outcome, as work of its own                       edge (aiokafka)
    reconciliations  how far that is, and what came of it                                          pure
    turns            whose turn it is to ask the broker's logs                                      edge
    opening          what needs the broker, opened as soon as it can be                            edge
    health           /livez, /readyz, /metrics                                                     edge (aiohttp)
    exports          deliveries as lines of CSV                                                    pure
    ages             how old the history is, in words                                              pure
    cursors          where a page of subscriptions ended                                           pure
    server           all of it in one process: projector, roster, listener                         edge (aiohttp)
"""
