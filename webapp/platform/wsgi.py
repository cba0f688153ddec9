"""The portal for a WSGI server."""

from webapp.app import create_app
from webapp.settings import from_environment

app = create_app(from_environment())
