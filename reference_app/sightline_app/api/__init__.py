"""The app's HTTP interface.

=========================== ====================================================================
POST /v1/chat               answers a question, as server-sent events or as one JSON object
DELETE /v1/conversation     forgets the conversation of `x-session-id`
GET /healthz                what is served, and whether the vector store answers
GET /readyz                 whether questions can be answered now, and which parts are away
GET /stats                  counts of the spans that this process made
=========================== ====================================================================

Whatever can fail before the answer starts (a bad request, a limit, the vector store) is an HTTP error; what fails later
is an ``event: error`` at the end of the stream. A client that leaves cancels the work behind it.
"""

from sightline_app.api.app import create_app
from sightline_app.api.index_in_use import open_pipeline

__all__ = ["create_app", "open_pipeline"]
