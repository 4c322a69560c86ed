"""
Several workers under one command: `relay worker --processes N`.

    restarts    what follows when one of them has ended, and the status of the whole     pure
    exposition  the figures of several as one page                                       pure
    supervisor  starts, restarts and stops them                                          edge
    endpoint    /metrics, /lanes, /livez and /readyz of all of them                      edge

Each is a worker like any other, with a number, a socket for its figures, and a stdin that ends when whoever started it
is gone: then it drains and ends too, for nobody would stop it any more.
"""
