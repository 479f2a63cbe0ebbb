"""A day with the service that differs most from the default, on a machine without uv."""

import os

import pytest

from .everyday import Everyday, Home


class TestTheMostDifferentService(Everyday):
    @pytest.fixture
    def home(self, different_home: Home) -> Home:
        return different_home

    def test_uv_came_into_the_service(self, home: Home) -> None:
        assert os.access(home.folder / ".venv" / "bin" / "uv", os.X_OK)
