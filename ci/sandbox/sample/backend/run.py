"""Starts the service: `python backend/run.py` in the directory of the project."""

import os
import sys
from pathlib import Path

from dotenv import load_dotenv

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.app import create_app  # noqa: E402


def main() -> None:
    load_dotenv()
    development = os.environ.get("FLASK_ENV", "development") == "development"
    debug = os.environ.get("FLASK_DEBUG", str(development)).lower() in ("1", "true", "yes")
    create_app().run(
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "9527")),
        debug=debug,
    )


if __name__ == "__main__":
    main()
