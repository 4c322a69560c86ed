"""
The commands: options in, one call, tables or JSON out. What they do stands elsewhere.

    app            all commands together; how an error becomes a message and an exit status
    common         the options that all commands have, and what they print
    patience       how long a command waits for a broker
    worker demo    run until told to stop
    topics check   what must exist, and what is wrong
    subscriptions  one at a time; `apply` brings many to what a file says
    secrets        what each key seals, and all of it sealed with the newest
    send listen    sample events in, verified requests out
    tools          sign, verify, filter test, version
"""
