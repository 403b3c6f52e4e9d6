from tests.support import WORKSPACE_URN, Client, World


def test_life(world: World, client: Client) -> None:
    user = client.user("ann@x.test", displayName="Ann", emails=[{"value": "ann@x.test", "type": "work"}])
    path = f"/Users/{user['id']}"
    answer = client.patch(path, {"op": "replace", "path": "active", "value": False})
    assert answer.status == 200, answer.text
    assert answer.json["active"] is False
    assert answer.json[WORKSPACE_URN]["status"] == "inactive"
    again = client.patch(path, {"op": "replace", "path": "active", "value": False})
    assert again.json["meta"] == answer.json["meta"]
    group = client.group("G", user["id"])
    inner = client.group("Outer", group["id"])
    got = client.get(path).json
    assert [(g["display"], g["type"]) for g in got["groups"]] == [("G", "direct"), ("Outer", "indirect")]
    for text in (
        'userName eq "ANN@x.test"',
        'emails.value sw "ann@"',
        'emails[type eq "work" and value eq "ann@x.test"]',
        f'groups.value eq "{inner["id"]}"',
        'active eq false and not (displayName eq "x")',
        'groups[type eq "indirect"]',
        f'{WORKSPACE_URN}:seat.state eq "none"',
        'meta.created gt "2020-01-01T00:00:00Z" and displayName co "n"',
    ):
        answer = client.request("GET", f"/Users?filter={text}")
        assert answer.status == 200, answer.text
        assert [u["id"] for u in answer.json["Resources"] if u["id"] != world.owner_id] == [user["id"]], text
    assert client.get(f'/Groups?filter=members eq "{user["id"]}"').json["totalResults"] == 1
    assert client.delete(path).status == 204
    assert client.get(path).status == 404
