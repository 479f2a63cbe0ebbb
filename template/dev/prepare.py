"""What a fresh clone lacks: the first promise of the API, the documents, a migrated database.

By one Python, since most of what each of them takes is the import of the application.
"""

import os

from alembic import command
from alembic.config import Config

from . import contract, documents
from .postgres import database_url


def main() -> None:
    """Make them; what is promised already stays as it is."""
    if not contract.FOLDER.exists():
        contract.main(accept=True)
    documents.main(check=False)
    with database_url() as url:
        os.environ.setdefault("ENVIRONMENT", "development")
        os.environ["DATABASE_URL"] = url
        command.upgrade(Config("alembic.ini"), "heads")


if __name__ == "__main__":
    main()
