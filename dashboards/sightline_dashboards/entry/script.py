"""What Streamlit runs for every session.

It is in a folder of its own: beside a folder `pages` Streamlit would make a page of each file there, and show that to
a session that starts with a link to a page.
"""

from sightline_dashboards.app import run

run()
