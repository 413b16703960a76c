"""The Flask application: a health check, and the frontend's files."""

from pathlib import Path

from flask import Flask, jsonify, send_from_directory
from flask_cors import CORS

from backend.revision import REVISION

DIST = Path(__file__).parent / "dist"


def create_app() -> Flask:
    app = Flask(__name__, static_folder=str(DIST), static_url_path="")
    CORS(app)

    @app.get("/")
    def index():
        return send_from_directory(DIST, "index.html")

    @app.get("/health")
    def health():
        return jsonify(status="healthy", revision=REVISION)

    return app
