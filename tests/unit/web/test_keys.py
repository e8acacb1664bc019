import pytest

from tapewatch.model.errors import InputError
from tapewatch.web.api.keys import ApiKey, find_key, hash_key, new_key


def test_a_new_key_is_found_by_its_hash_and_by_nothing_else() -> None:
    (one, one_hash), (two, two_hash) = new_key(), new_key()
    keys = (ApiKey(name="desk", hash=one_hash), ApiKey(name="risk", hash=two_hash))
    found = find_key(two, keys)
    assert found is not None and found.name == "risk"
    assert find_key("", keys) is None
    assert find_key(one[:-1], keys) is None
    assert find_key(one_hash, keys) is None, "the hash itself must not open the door"


def test_the_hash_does_not_contain_the_key_and_keys_differ() -> None:
    key, hashed = new_key()
    assert key not in hashed and hash_key(key) == hashed
    assert len({new_key()[0] for _ in range(50)}) == 50


@pytest.mark.parametrize(("name", "hashed"), [("desk", "plain-secret"), ("", hash_key("x")), ("a b", hash_key("x"))])
def test_a_key_that_is_not_a_hash_is_refused_before_it_can_be_used(name: str, hashed: str) -> None:
    with pytest.raises(InputError) as error:
        ApiKey(name=name, hash=hashed)
    assert "plain-secret" not in str(error.value)
