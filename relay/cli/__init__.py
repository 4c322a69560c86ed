"""
The commands: options in, one call, tables or JSON out. What they do stands elsewhere.

    app                      all commands together; how an error becomes a message and an exit status
    common                   the options that all commands have, and what they print
    patience                 how long a command waits for a broker
    audit                    what a command did, told to the audit
    worker console           run until told to stop
    demo demo_children       all of it at once, to be looked at; its processes
    demo_tally demo_view     what came of its events, and how that looks             pure
    topics check             what must exist, and what is wrong
    subscriptions apply      one at a time; or many, to what a file says
    secrets tokens           what each key seals, and all of it sealed with the newest; who is let in
    lanes reconcile          how each subscription fares; whether every match has an outcome
    deliveries tail history  Delivery History, and attempts as they are made; what all its commands need
    replay redeliver         sent again, by a time or by their ids
    dead_letters             what was given up, or could not be read
    erase                    a lead leaves the history
    send listen              sample events in, verified requests out
    tools                    sign, verify, filter test, version
"""
