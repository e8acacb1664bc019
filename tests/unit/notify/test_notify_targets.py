"""Which hosts and addresses may be reached, and what a URL may look like."""

import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.notify.http import check_url, retry_after_s
from tapewatch.notify.targets import Targets, TargetSettings

INSIDE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:0:0:0:0:80ff:fffe",
    "not an address",
]


HOSTS = ("hooks.example.org", "*.desk.example")


def targets(found: Sequence[str], allowed_networks: tuple[str, ...] = ()) -> Targets:
    return Targets(TargetSettings(allowed_hosts=HOSTS, allowed_networks=allowed_networks), lambda host, port: found)


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(GiveUpError, match="neither public"):
        targets([address]).addresses("hooks.example.org", 443)


def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(GiveUpError):
        targets(["93.184.216.34", "127.0.0.1"]).addresses("hooks.example.org", 443)


def test_public_addresses_are_given_in_order_and_once() -> None:
    found = ["2606:2800:220:1::1", "93.184.216.34", "93.184.216.34"]
    assert targets(found).addresses("hooks.example.org", 443) == found[:2]


def test_networks_that_were_allowed_may_be_reached_and_no_others() -> None:
    inner = targets(["10.1.2.3"], allowed_networks=("10.1.0.0/16",))
    assert inner.addresses("hooks.example.org", 443) == ["10.1.2.3"]
    with pytest.raises(GiveUpError):
        targets(["10.2.0.1"], allowed_networks=("10.1.0.0/16",)).addresses("hooks.example.org", 443)
    with pytest.raises(GiveUpError):
        targets(["224.0.0.1"], allowed_networks=("0.0.0.0/0",)).addresses("hooks.example.org", 443)


@pytest.mark.parametrize("host", ["hooks.example.org", "HOOKS.example.org.", "a.desk.example", "a.b.desk.example"])
def test_hosts_on_the_list_pass(host: str) -> None:
    assert targets([]).refusal(host) is None


@pytest.mark.parametrize("host", ["example.org", "desk.example", "hooks.example.org.evil.net", "127.0.0.1"])
def test_hosts_that_are_not_on_the_list_are_refused_before_anybody_is_asked(host: str) -> None:
    def resolver(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    with pytest.raises(GiveUpError, match="allowed_hosts"):
        Targets(TargetSettings(allowed_hosts=HOSTS), resolver).addresses(host, 443)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), None])
def test_a_name_that_does_not_resolve_now_may_resolve_later(error: Exception | None) -> None:
    def resolver(host: str, port: int) -> list[str]:
        if error is not None:
            raise error
        return []

    with pytest.raises(RetryableError):
        Targets(TargetSettings(allowed_hosts=("*",)), resolver).addresses("hooks.example.org", 443)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "intranet", "10.0.0.1/8"])
def test_a_network_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed_networks"):
        TargetSettings(allowed_networks=(text,))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/s3cret",
        "//host/s3cret",
        "https:///s3cret",
        "https://user:pw@host/s3cret",
        "https://host\\@evil.example/s3cret",
        "https://host:99999/s3cret",
        "https://host:0/s3cret",
        "https://host/s3cret\r\nX: y",
        "https://hö.st/s3cret",
        "https://host/s3 cret",
        "https://[::1/s3cret",
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        check_url(Secret(url))
    assert "cret" not in str(caught.value)


def test_a_url_gives_its_host() -> None:
    assert check_url(Secret("https://Hooks.Example.org:8443/x?y")) == "hooks.example.org"


@given(st.binary(max_size=60), st.integers(0, 2**62))
def test_a_retry_after_of_any_shape_is_nothing_or_at_most_an_hour(value: bytes, now_ns: int) -> None:
    wait_s = retry_after_s(value, now_ns)
    assert wait_s is None or 0.0 <= wait_s <= 3_600.0
