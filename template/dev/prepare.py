"""What a fresh clone lacks: the first promise of the API, the documents, a migrated database.

By one Python, since most of what each of them takes is the import of the application.
"""

from alembic import command
from alembic.config import Config

from . import contract, documents


def main() -> None:
    """Make them; what is promised already stays as it is. The database is DATABASE_URL's."""
    if not contract.FOLDER.exists():
        contract.main(accept=True)
    documents.main(check=False)
    command.upgrade(Config("alembic.ini"), "heads")


if __name__ == "__main__":
    main()
