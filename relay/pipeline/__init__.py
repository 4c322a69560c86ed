"""
The path, in order. bytes -> Record -> Event -> Deliveries -> Request -> Reply -> Verdict -> Outgoing -> commit.

    consume   records of assigned partitions, explicit commits                              edge (aiokafka)
    decode    bytes -> Event or Delivery, or Malformed with its reason                      pure
    filters   the JSON operator filter, compiled once                                       pure
    match     Event x subscriptions -> endpoints, in id order                               pure
    schedule  attempt -> delay, deferral -> delay, when a record is due                     pure
    keys      a secret -> the key of each scheme                                            pure
    sign      Delivery x Endpoint x now -> Request                                          pure
    egress    which addresses may be called, with the reason                                pure
    tls       what a connection to a receiver is verified by, and what was against it       edge (files)
    connect   connections to what egress allows, or to the proxy; a pool for each set of rules  edge (aiohttp)
    deliver   what a call keeps to: a refused or slow receiver is a Reply                   edge (aiohttp)
    wire      Request -> Reply, on aiohttp's connector and parser                           edge (aiohttp)
    names     names of receivers -> addresses, a slow one beside the others                   edge (threads)
    settle    Delivery x Reply -> Verdict                                                   pure
    results   Verdict -> the records that tell it                                           pure
    produce   records -> Kafka, acknowledged                                                edge (aiokafka)
    phase     the life of an assignment                                                     pure
    ledger    per (partition, assignment): taken, settled, committable                      pure
    settled   what is settled above the committed offset <-> the commit's metadata          pure
    holdings  the ledgers of a consumer through rebalances                                  pure
    covered   what was settled since it was last told, and the records that tell it         pure
    offsets   what a group has committed, and nothing older                                 edge (aiokafka)
    client    a consumer in its group, and what it does not show of itself                  edge (aiokafka)
    frozen    a process that stood still for a session -> nothing goes on until confirmed   edge
    rivals    whether another worker has our RELAY_INSTANCE_ID                              pure
    progress  what is settled -> relay.progress, before it is committed                     edge (aiokafka)
    commit    what is settled -> committed                                                  edge
    health    what an endpoint answered lately -> gone, failing, recovered, dead            pure
    disable   subscriptions whose endpoints are gone or dead -> disabled                   edge (the store)
    notice    what a notice says <-> its record                                             pure
    news      the notices topic, from its beginning and as it grows                           edge (aiokafka)
    hearsay   what other workers have told, and this one before its restart                 edge (aiokafka)
    notices   what people must hear of: written, counted, logged                            edge
    seen      which turn of a retry chain was met before                                    pure
    delays    delivery records that wait for their time                                     pure
    fan       the deliveries of one record, counted down to its settlement                  pure
    room      how much may be in memory                                                     edge (asyncio)
    census    how the lanes are, for people                                                 pure
    limit     how many requests to one receiver at once: up on success, down on trouble     pure
    heard     what was heard of a receiver lately, and what may be expected of it           pure
    rate      at most so many a second, evenly spaced                                       pure
    breaker   the circuit of one receiver: closed, open for a while, then one probe         pure
    queue     what waits for one receiver, and in which order it goes                       pure
    lane      when it may go: limit, circuit, rate, and what was heard of the receiver      pure
    places    the requests that a worker may have under way, shared between accounts        pure
    alarms    what goes on at a time that is known                                          pure
    allowance  how long readers may be held up                                              pure
    known     the lanes that there are, and which are forgotten                             pure
    able      which lanes may begin something, and which of them is next                    pure
    lanes     every receiver in a lane of its own, and all of them in the worker's places   pure
    attempt   admit -> sign -> deliver -> settle -> results -> produce: the only file that knows the order
    dispatch  deliveries into their lanes, and attempts out of them                         edge
    events    reads events, whose first attempts go into their lanes in the log's order     edge
    deliveries  reads delivery topics, puts what is due into its lane                       edge
    faults    what cannot be walked, and how often that may be                              edge
    watch     whether something that should move has stood still for too long               pure
    sights    what the watchdog sees of a worker                                            edge
    watchdog  ends the process when it stands still                                         edge (aiokafka, a thread)
    worker    how all of it runs side by side, and ends                                     edge
    start     where a group begins to read                                                  edge (aiokafka)
    listener  /metrics, /lanes, /livez, /readyz                                             edge (aiohttp)
    own       what is relay's own and never called, as it is by now                         edge
    ground    the broker and its topics, looked at before anything is touched               edge
    wiring    what a worker is made of, connected and put together                          edge
    service   a worker process: reached, wired, run, taken apart                            edge
"""
