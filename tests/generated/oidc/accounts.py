"""Accounts of those who come with a token: made once, never taken over, gone when deleted."""

from uuid import uuid4

import pytest

from .conftest import NEW, URL, Caller, Start
from .provider import Provider, serving


def accounts(api: Caller, provider: Provider, owner: str) -> int:
    """How many accounts there are for what a claim says, deleted ones too."""
    name = f"{provider.issuer}#{owner}"
    found = api.sql("SELECT count(*) FROM accounts WHERE name = :name", name=name)
    count: int = found[0][0]
    return count


@pytest.mark.parametrize("call", ["get", "post"])
def test_first_requests_at_a_time_make_one_account(
    api: Caller, provider: Provider, call: str
) -> None:
    tokens = [provider.token(sub="ada" + call) for _ in range(20)]
    assert set(api.together(getattr(api, call), tokens)) == {200 if call == "get" else 201}
    assert accounts(api, provider, "ada" + call) == 1


@pytest.mark.parametrize("call", ["get", "post"])
def test_many_newcomers_do_not_starve_a_small_pool(
    start: Start, provider: Provider, call: str
) -> None:
    api = start(pool=2)
    tokens = [provider.token() for _ in range(24)]
    assert set(api.together(getattr(api, call), tokens)) == {200 if call == "get" else 201}


def test_a_refused_request_still_leaves_an_account(api: Caller, provider: Provider) -> None:
    """The account is made in a transaction of its own: the request's was rolled back."""
    headers = {"Authorization": f"Bearer {provider.token(sub='eve')}"}
    assert api.client.post(URL, json=NEW | {"amount": 0}, headers=headers).status_code == 422
    assert accounts(api, provider, "eve") == 1


def test_a_deleted_account_stays_deleted(api: Caller, provider: Provider) -> None:
    token = provider.token(sub="bob")
    assert api.post(token) == 201
    name = f"{provider.issuer}#bob"
    api.sql(
        "UPDATE payments SET deleted_at = now() WHERE account_id ="
        " (SELECT id FROM accounts WHERE name = :name)",
        name=name,
    )
    api.sql("UPDATE accounts SET deleted_at = now() WHERE name = :name", name=name)
    assert [api.get(token), api.post(token), api.get(token)] == [401, 401, 401]
    assert accounts(api, provider, "bob") == 1
    api.sql("UPDATE accounts SET deleted_at = NULL WHERE name = :name", name=name)
    assert api.get(token) == 200


def test_deleted_by_names_the_person(start: Start, provider: Provider) -> None:
    """Two people of an organisation share its rows; each deletes in their own name."""
    api = start(OIDC_ACCOUNT_CLAIM="org_id")
    subject = uuid4().hex
    ada = {"Authorization": f"Bearer {provider.token(org_id='acme')}"}
    bob = {"Authorization": f"Bearer {provider.token(org_id='acme', sub=subject)}"}
    location = api.client.post(URL, json=NEW, headers=ada).headers["Location"]
    assert api.client.delete(location, headers=bob).status_code == 204
    public_id = location.rpartition("/")[2]
    found = api.sql("SELECT deleted_by FROM payments WHERE public_id = :id", id=public_id)
    assert found[0][0] == f"oidc:{subject}"
    assert api.get(provider.token()) == 401, "a token without the claim has no account"
    assert api.get(provider.token(org_id="acme", sub="x\n")) == 401, "nor one of nobody"


def test_two_providers_people_are_not_each_other(start: Start, provider: Provider) -> None:
    with serving(Provider()) as other:
        ada = {"Authorization": f"Bearer {provider.token(sub='ada')}"}
        eve = {"Authorization": f"Bearer {other.token(sub='ada')}"}
        here, there = start(), start(issuer=other.issuer)
        location = here.client.post(URL, json=NEW, headers=ada).headers["Location"]
        assert there.client.get(location, headers=eve).status_code == 404
        assert there.client.get(location, headers=ada).status_code == 401


def test_an_accounts_name_gives_nobody_its_rows(api: Caller, provider: Provider) -> None:
    """An account made by hand under the name that a newcomer would get is not theirs."""
    api.sql("INSERT INTO accounts (name) VALUES (:name)", name=f"{provider.issuer}#mallory")
    assert api.get(provider.token(sub="mallory")) == 401
    assert accounts(api, provider, "mallory") == 1
