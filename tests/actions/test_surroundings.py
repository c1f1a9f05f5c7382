"""Where an agent's own connections come from."""

import ipaddress

from console.actions.surroundings import OwnAddresses, own_addresses

HERE = ipaddress.ip_network("127.0.0.1/32")


async def test_it_is_the_local_end_of_the_way_there() -> None:
    own = OwnAddresses(
        ("postgresql://auto@127.0.0.1:5432/store", None, "http://no.such.host.invalid", "nonsense")
    )
    assert await own.known() == (HERE,)
    assert own_addresses(("http://[::1]:80/x",)) in ((ipaddress.ip_network("::1/128"),), ())
