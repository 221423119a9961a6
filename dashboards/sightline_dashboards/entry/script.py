"""What Streamlit runs for every session.

It has a folder of its own: beside a folder `pages` Streamlit would take each file there for a page of its own making,
and show that to whoever comes first by a link to a page.
"""

from sightline_dashboards.app import run

run()
