"""``sightline-app load``: traffic at a set rate, whatever the app does (an open loop).

`arrivals` says when each request is due, `conversations` who sends it, `sender` sends it and keeps what the client saw,
`platform` asks the store what it holds of the same requests, `report` puts both side by side.
"""
