"""``sightline-app load``: traffic at a set rate, whatever the app does (an open loop).

`arrivals` says when each request is due and `conversations` who sends it, `sender` waits for that moment, `client` asks
and keeps what was seen, `platform` asks the store what it holds of the same requests, `report` puts both side by side.
``sightline-app ask``, the closed loop over questions with known answers, has the same client.
"""
