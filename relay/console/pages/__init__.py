"""
The pages: what people see and do in a browser. Server-rendered; scripts only make them livelier.

    words, charts, figures, hooks, story, bodies, curl    values -> what a page shows                    pure
    running, buried, notices, proof, deeds                likewise, of what else there is                pure
    forms, asking, wishes                                 what was typed, what a URL asks for -> values  pure
    frame                                                 what stands around every page                  pure
    visit                                                 a request, and the page that is its answer     edge
    again                                                 a form that is sent again is answered again    edge
    names                                                 Webhook Names of ids                           edge
    overview, webhooks, editing, trials, sending          pages that belong together                     edge
    deliveries, replays, letters, operations, audit, access, people
    routes                                                which handler has which path                   edge
    assets, rendering                                     static files; templates -> HTML                edge
"""
