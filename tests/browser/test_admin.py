"""The admin's paths as a person takes them, in Chromium, on real nodes, under a strict CSP."""

from __future__ import annotations

import re
import uuid

import pytest

LIST = "raft_config/storedvalue/"
HISTORY = "raft_config/change/"
SCHEDULES = "raft_config/scheduledchange/"
LOOK = "group=Look"
PAYMENT = "group=Payment"

WITHOUT_JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])


def fresh(word):
    """A text that no other test uses."""
    return f"{word} {uuid.uuid4().hex[:8]}"


def index_of(person):
    """The index that the page has just told."""
    return int(re.search(r"at index (\d+)", person.text())[1])


@WITHOUT_JAVASCRIPT
def test_edit_preview_and_save(person, demo, javascript):
    ada = person(java_script_enabled=javascript)
    name = fresh("Bakery")
    ada.goto(LIST)
    ada.page.get_by_role("link", name="SHOP_NAME", exact=True).click()
    ada.type(SHOP_NAME=name)
    ada.page.fill("[name=comment]", "A new owner")
    ada.press("Preview")
    assert "Nothing is stored yet" in ada.text()
    assert ada.page.locator("ins").inner_text() == name
    ada.press("Back to editing")
    assert ada.value("SHOP_NAME") == name
    ada.press("Preview")
    ada.press("Save")
    index = index_of(ada)
    assert name in ada.text()
    demo.wait_for(f"{name} on node b", lambda: demo.shows("b", name))
    ada.goto(HISTORY)
    row = ada.page.locator(f"#index-{index}")
    assert "A new owner" in row.inner_text()
    assert name in row.inner_text()


@WITHOUT_JAVASCRIPT
@pytest.mark.parametrize("other_node", ["a", "c"], ids=["same node", "another node"])
def test_conflict_of_two_people_loses_nothing(person, javascript, other_node):
    ada = person(java_script_enabled=javascript)
    bob = person(other_node, java_script_enabled=javascript)
    base, theirs, yours, banner = map(fresh, ("Base", "Theirs", "Yours", "Banner"))
    ada.save("name=SHOP_NAME", SHOP_NAME=base)
    ada.edit(LOOK)
    ada.type(SHOP_NAME=yours, BANNER=banner)
    bob.edit("name=SHOP_NAME")
    while bob.value("SHOP_NAME") != base:  # until that node has applied it too
        bob.edit("name=SHOP_NAME")
    bob.save("name=SHOP_NAME", SHOP_NAME=theirs)
    ada.press("Save")
    for told in (base, theirs, yours, "BANNER"):
        assert told in ada.text()
    ada.page.get_by_label("Yours").check()
    ada.press("Save what I chose")
    assert "Saved at index" in ada.text()
    ada.edit(LOOK)
    assert (ada.value("SHOP_NAME"), ada.value("BANNER")) == (yours, banner)


def test_choosing_theirs_keeps_it(person):
    ada, bob = person(), person()
    theirs = fresh("Theirs")
    ada.edit("name=BANNER")
    ada.type(BANNER=fresh("Mine"))
    bob.save("name=BANNER", BANNER=theirs)
    ada.press("Save")
    ada.page.get_by_label("Theirs").check()
    ada.press("Save what I chose")
    assert "Nothing was changed." in ada.text()
    ada.edit("name=BANNER")
    assert ada.value("BANNER") == theirs


@WITHOUT_JAVASCRIPT
def test_history_revert_and_restore(person, javascript):
    ada = person(java_script_enabled=javascript)
    first, second, third = map(fresh, ("First", "Second", "Third"))
    ada.save("name=BANNER", BANNER=first)
    start = index_of(ada)
    ada.save("name=BANNER", BANNER=second)
    middle = index_of(ada)
    ada.goto(HISTORY)
    ada.page.locator(f"#index-{middle}").get_by_role("link", name="Revert").click()
    assert ada.page.locator("del").inner_text() == second
    assert ada.page.locator("ins").inner_text() == first
    ada.press("Put back")
    assert "Put back at index" in ada.text()
    ada.save("name=BANNER", BANNER=third)
    ada.goto(f"{HISTORY}diff/?from={start}&to={middle}")
    assert second in ada.text()
    assert third not in ada.text()
    ada.goto(f"{HISTORY}{middle}/restore/")
    assert second in ada.text()
    ada.press("Put back")
    ada.edit("name=BANNER")
    assert ada.value("BANNER") == second


@WITHOUT_JAVASCRIPT
def test_scheduled_change_is_listed_and_cancelled(person, javascript):
    ada = person(java_script_enabled=javascript)
    comment = fresh("New year")
    ada.edit("name=GOODS_SHOWN")
    ada.type(GOODS_SHOWN=str(int(ada.value("GOODS_SHOWN")) + 1))
    ada.page.fill("[name=apply_at]", "2101-01-01T00:00:00")
    ada.page.fill("[name=comment]", comment)
    ada.press("Save")
    assert "Scheduled at index" in ada.text()
    ada.edit("name=GOODS_SHOWN")
    assert "A scheduled change is going to touch: GOODS_SHOWN." in ada.text()
    ada.goto(SCHEDULES)
    row = ada.page.locator("tr", has_text=comment)
    row.get_by_role("link", name="Cancel").click()
    ada.press("Cancel the scheduled change")
    assert "Cancelled the scheduled change of GOODS_SHOWN." in ada.text()
    assert comment not in ada.text()


def test_change_is_made_when_its_time_has_come(person, demo):
    ada = person()
    name = fresh("At noon")
    ada.edit("name=SHOP_NAME")
    ada.type(SHOP_NAME=name)
    soon = ada.page.evaluate("new Date(Date.now() + 4000).toISOString().slice(0, 19)")
    ada.page.fill("[name=apply_at]", soon)
    ada.press("Save")
    assert "Scheduled at index" in ada.text()
    for node_id in "abc":
        demo.wait_for(f"{name} on {node_id}", lambda node_id=node_id: demo.shows(node_id, name))


def test_secret_typed_stays_out_of_every_page(person):
    ada = person()
    secret = f"s3cret-{uuid.uuid4().hex}"
    ada.save("name=CARD_KEY", CARD_KEY=secret)
    for path in (LIST, f"{LIST}edit/?{PAYMENT}", HISTORY):
        ada.goto(path)
        assert secret not in ada.page.content()
    ada.edit(PAYMENT)
    assert ada.value("CARD_KEY") == ""


# -- better with JavaScript


def test_list_filters_as_one_types(person):
    ada = person()
    ada.goto(LIST)
    rows = ada.page.locator("[data-raft-row]")
    total = rows.count()
    ada.page.locator("#searchbar").fill("banner")
    assert ada.page.locator("[data-raft-row]:visible").count() == 1
    assert f"1 of {total}" in ada.text()
    ada.page.locator("#searchbar").fill("nothing like it")
    assert "No setting is like that." in ada.text()
    ada.page.locator("#searchbar").fill("")
    assert ada.page.locator("[data-raft-row]:visible").count() == total


def test_leaving_with_unsaved_changes_is_warned_of(person):
    ada = person()
    warned = []
    ada.page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    ada.edit("name=SHOP_NAME")
    ada.goto(LIST)
    assert warned == []
    ada.edit("name=SHOP_NAME")
    ada.page.locator("[name='value-SHOP_NAME']").press_sequentially("x")
    ada.goto(LIST)
    assert warned == ["beforeunload"]


def test_editor_is_used_with_the_keyboard_alone(person):
    ada = person()
    name = fresh("Keys")
    ada.edit("name=SHOP_NAME")
    field = ada.page.locator("[name='value-SHOP_NAME']")
    field.focus()
    ada.page.keyboard.press("Control+A")
    ada.page.keyboard.type(name)
    with ada.page.expect_navigation():
        ada.page.keyboard.press("Enter")
    assert "Saved at index" in ada.text()


# -- for everybody


def pages(ada):
    """Name -> how to come to each page; the history is not empty then."""
    ada.save("name=SHOP_NAME", SHOP_NAME=fresh("Axe"))
    index = index_of(ada)
    ada.edit("name=GOODS_SHOWN")
    ada.type(GOODS_SHOWN=str(int(ada.value("GOODS_SHOWN")) + 1))
    ada.page.fill("[name=apply_at]", "2101-01-01T00:00:00")
    ada.press("Save")
    scheduled = index_of(ada)

    def preview():
        ada.edit(LOOK)
        ada.type(SHOP_NAME=fresh("Axe"))
        ada.press("Preview")

    def wrong():
        ada.edit(LOOK)
        ada.type(SHOP_NAME="")
        ada.press("Save")

    def conflict():
        ada.edit(LOOK)
        ada.type(SHOP_NAME=fresh("Axe"))
        other = ada.context.new_page()
        other.goto(f"{ada.admin}{LIST}edit/?name=SHOP_NAME")
        other.fill("[name='value-SHOP_NAME']", fresh("Other"))
        with other.expect_navigation():
            other.click("[name=_save]")
        other.close()
        ada.press("Save")

    def conflict_in_editor():
        conflict()
        ada.press("Back to editing")

    addresses = {
        "list": LIST,
        "nothing found": f"{LIST}?q=nothing",
        "editor": f"{LIST}edit/?{LOOK}",
        "secret": f"{LIST}edit/?{PAYMENT}",
        "history": HISTORY,
        "diff": f"{HISTORY}diff/?from={index - 1}&to={index}",
        "revert": f"{HISTORY}{index}/revert/",
        "restore": f"{HISTORY}{index - 1}/restore/",
        "problem": f"{HISTORY}999999/restore/",
        "schedules": SCHEDULES,
        "cancel": f"{SCHEDULES}{scheduled}/cancel/",
        "cluster": "raft_config/node/",
    }
    return {
        **{name: lambda path=path: ada.goto(path) for name, path in addresses.items()},
        "preview": preview,
        "wrong": wrong,
        "conflict": conflict,
        "conflict in editor": conflict_in_editor,
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 400)])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(person, axe, scheme, width):
    ada = person(color_scheme=scheme, viewport={"width": width, "height": 800})
    ada.page.on("dialog", lambda dialog: dialog.accept())
    found = {}
    for name, visit in pages(ada).items():
        visit()
        found[name] = axe(ada)
        if ada.page.evaluate("document.documentElement.scrollWidth") > width:
            found[name].append("wider than the window")
    assert {name: each for name, each in found.items() if each} == {}
