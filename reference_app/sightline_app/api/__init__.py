"""The app's HTTP interface.

=========================== ====================================================================
POST /v1/chat               answers a question, as server-sent events or as one JSON object
/v1/chat/streams/{id}       GET reads a stream on that was lost, DELETE cancels its answer
/v1/chat/ws                 the same questions over a WebSocket
DELETE /v1/conversation     forgets the conversation of `x-session-id`
POST /v1/feedback           takes a reader's verdict on an answer
POST, GET /v1/documents     uploads a document of the tenant; lists them
/v1/documents/{id}          GET says how far it is, DELETE removes it
GET /healthz                what is served, and whether the vector store answers
GET /readyz                 whether questions can be answered now, and which parts are away
GET /stats                  counts of the spans that this process made
GET /docs, /openapi.json    describe all this
=========================== ====================================================================

Whatever can fail before the answer starts (a bad request, a limit, the vector store) is an HTTP error; what fails later
is an ``event: error`` at the end of the stream. A client that leaves and does not come back in time cancels the work
behind it. `docs/api.md` tells clients more.
"""

from sightline_app.api.app import create_app
from sightline_app.api.index_in_use import open_pipeline

__all__ = ["create_app", "open_pipeline"]
