"""The request span and the time to first token at the edge, for any ASGI application; see ``RequestMiddleware``.

```python
from sightline.asgi import RequestMiddleware

app.add_middleware(RequestMiddleware, content_events={"token"})
```
"""

from sightline.streaming.asgi import RequestMiddleware

__all__ = ["RequestMiddleware"]
