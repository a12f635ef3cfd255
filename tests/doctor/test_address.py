"""Addresses are read as browsers read them."""

from __future__ import annotations

import pytest

from sse_asgi.doctor.address import redirected, split_url


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("http://h", "http://h/"),
        ("HTTP://H?q", "http://h/?q"),
        ("http://h/é/€?ü=é#ä", "http://h/%C3%A9/%E2%82%AC?%C3%BC=%C3%A9"),
        ("http://h/%C3%A9/%zz/a b", "http://h/%C3%A9/%zz/a%20b"),
        ("http://h/a\x01b\x7f", "http://h/a%01b%7F"),
        ("http://h/a\nb\t?c\rd", "http://h/ab?cd"),
        (" http://h/ \n", "http://h/"),
        ("http://h/{}|'\"<>`?{}|'\"<>`", "http://h/%7B%7D|'%22%3C%3E%60?{}|%27%22%3C%3E`"),
        ("http://h/a\\b", "http://h/a/b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://h:80/", "http://h:80/"),
        ("http://h:/", "http://h/"),
        ("http://h./", "http://h./"),
        ("http://my_host/", "http://my_host/"),
        ("http://[::1]:1/", "http://[::1]:1/"),
        ("http://h/\udcff", "http://h/%FF"),
    ],
)
def test_address_is_encoded(given: str, sent: str) -> None:
    assert split_url(given).geturl() == sent


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "h",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://:80/",
            "http://u@h/",
            "http://u:p@h/",
        ),
        *(
            "http://a b/",
            "http://a\x01b/",
            "http://a<b/",
            "http://a%b/",
            "http://a^b/",
            "http://./",
        ),
        *("http://a..b/", f"http://{'a' * 70}/", "http://é..b/", "http://h:99999/", "http://h:x/"),
        *("http://[::1", "http://[::1/", "http://[x]/", "http://h/\ud800"),
    ],
)
def test_address_of_no_stream_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_url(given)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "http://h:1/b"),
        ("b?c#d", "http://h:1/a/b?c"),
        ("//other/x y", "http://other/x%20y"),
        ("/\u00c3\u00a9", "http://h:1/%C3%A9"),  # UTF-8, read as Latin-1
        ("/\u00e9", "http://h:1/%C3%A9"),  # Latin-1
        (" /a\x01b ", "http://h:1/a%01b"),
        ("", "http://h:1/a/"),
    ],
)
def test_redirect_leads_where_a_browser_goes(location: str, target: str) -> None:
    assert redirected("http://h:1/a/", location) == target
