"""The panel of a chat: a preset sets the values, and each can still be changed; adapters have sliders."""

from __future__ import annotations

import pytest_asyncio
from acts import composer, eventually, said
from adapter_making import noise, write_gguf
from playwright.async_api import expect


@pytest_asyncio.fixture(loop_scope="session")
async def panel(page):
    await page.get_by_role("button", name="Chat settings").click()
    return page.get_by_role("complementary", name="Chat settings")


async def test_a_preset_fills_the_values(page, panel, chat):
    await panel.get_by_role("combobox", name="Preset").select_option(label="Creative")
    await expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("1.15")
    await expect(panel).to_contain_text("Surprising words")
    await panel.get_by_text("Surprise", exact=False).first.click()
    await expect(panel.get_by_role("spinbutton", name="XTC chance")).to_have_value("0.3")
    await expect(panel.get_by_role("group", name="XTC chance")).to_contain_text("From the preset")
    await said(page, "Hello")
    await eventually(lambda: chat.now["sampling"] == {"preset": "creative"})
    assert chat.messages[1]["facts"]["effective"]["temperature"] == 1.15


async def test_a_value_of_ones_own_goes_over_the_preset_and_back(page, panel, chat):
    await panel.get_by_role("combobox", name="Preset").select_option(label="Precise")
    temperature = panel.get_by_role("spinbutton", name="Temperature")
    await expect(temperature).to_have_value("0.3")
    await temperature.fill("0.5")
    await composer(page).click()
    await panel.get_by_role("button", name="Back to the preset’s values").click()
    await expect(temperature).to_have_value("0.3")
    await eventually(lambda: chat.now["sampling"] == {"preset": "precise"})


async def test_choosing_a_preset_can_be_undone(page, panel, chat):
    await panel.get_by_role("spinbutton", name="Temperature").fill("0.1")
    await panel.get_by_role("spinbutton", name="Seed").fill("7")
    await composer(page).click()
    await expect(panel.get_by_role("button", name="Back to the usual values")).to_be_visible()
    await panel.get_by_role("combobox", name="Preset").select_option(label="Story")
    await expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("0.95")
    await expect(panel.get_by_role("spinbutton", name="Seed")).to_have_value("7")
    await page.get_by_role("button", name="Undo").click()
    await expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("0.1")
    await eventually(lambda: chat.now["sampling"] == {"temperature": 0.1, "seed": 7})


async def test_a_preset_that_was_removed_is_told(open_page, client, chat):
    client.post("/presets", {"name": "mine", "sampling": {"temperature": 0.6}}, 201)
    client.call("PATCH", chat.path, json=chat.at_revision(sampling={"preset": "mine"}))
    client.call("DELETE", "/presets/mine", 204)
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await expect(page.get_by_text("This preset was removed.")).to_be_visible()
    await page.get_by_role("combobox", name="Preset").select_option(label="None: the usual values")
    await expect(page.get_by_text("This preset was removed.")).to_have_count(0)
    await eventually(lambda: chat.now["sampling"] == {})


@pytest_asyncio.fixture(loop_scope="session")
async def adapted(client, web_home):
    """A chat whose model has an adapter, usually at scale 1."""
    write_gguf(
        web_home.adapters / "rain.gguf", {"token_embd.weight": (noise(4, 2, "a", 1), noise(32, 2, "b", 1))}
    )
    client.post("/models/tiny/adapters/attach", {"adapter": "rain", "scale": 1.0})
    yield client.new_chat(model="tiny", title="With rain")
    client.post("/models/tiny/adapters/detach", {"adapter": "rain"})


async def test_an_adapter_is_a_slider_that_a_double_click_resets(open_page, adapted):
    page = await open_page(f"#/chat/{adapted.id}")
    await page.get_by_role("button", name="Chat settings").click()
    slider = page.get_by_role("slider", name="rain")
    await expect(slider).to_have_value("1")
    await slider.fill("-0.5")
    await expect(page.get_by_role("button", name="Back to 1.00")).to_be_visible()
    assert adapted.now["sampling"] == {"adapters": {"rain": -0.5}}
    await slider.dblclick()
    await expect(slider).to_have_value("1")
    await expect(page.get_by_role("button", name="Back to 1.00")).to_have_count(0)
    assert adapted.now["sampling"] == {}


async def test_a_change_says_what_it_costs_and_both_can_be_compared(open_page, adapted):
    page = await open_page(f"#/chat/{adapted.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await said(page, "Hello rain")
    tokens = adapted.messages[1]["facts"]["prompt_tokens"]
    await expect(page.get_by_text(f"A change makes the {tokens} tokens of this prompt")).to_be_visible()
    await page.get_by_role("button", name="Compare with and without").click()
    both = page.get_by_role("dialog", name="Side by side")
    await both.get_by_role("button", name="Take Without traits").click()
    await both.get_by_role("button", name="Close").last.click()
    await expect(page.get_by_text("2/3")).to_be_visible()
    assert adapted.messages[1]["facts"]["effective"]["adapters"] == [["rain", 0.0]]


async def test_chats_with_a_character_begin_with_its_traits(open_page, client, adapted):
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Wren", "first_mes": "Hello."}}
    wren = client.post("/characters", {"card": card}, 201)["id"]
    chat = client.new_chat(model="tiny", character_id=wren, sampling={"adapters": {"rain": 0.25}})
    page = await open_page(f"#/chat/{chat.id}")
    await page.get_by_role("button", name="Chat settings").click()
    await page.get_by_role("button", name="Begin every chat with Wren like this").click()
    await expect(page.get_by_text("New chats with Wren begin with these traits.")).to_be_visible()
    later = client.new_chat(model="tiny", character_id=wren)
    assert later.now["sampling"] == {"adapters": {"rain": 0.25}}
    await page.get_by_role("button", name="Begin chats with Wren without").click()
    await expect(page.get_by_text("begin without traits")).to_be_visible()
    assert client.new_chat(model="tiny", character_id=wren).now["sampling"] == {}


async def test_a_model_without_adapters_has_no_sliders_for_them(page, panel):
    await expect(panel.get_by_role("slider", name="Temperature")).to_be_visible()
    await expect(panel.get_by_role("heading", name="Traits")).to_have_count(0)


async def test_a_control_says_where_it_is_set_and_goes_back_by_a_click(page, panel, chat):
    knob = panel.get_by_role("group", name="Min P", exact=True)
    await expect(knob).to_contain_text("Default")
    await knob.get_by_role("spinbutton").fill("0.2")
    await composer(page).click()
    await expect(knob).to_contain_text("Set in this chat")
    await knob.get_by_role("button", name="Neutral: 0").click()
    await expect(knob.get_by_role("spinbutton")).to_have_value("0")
    await knob.get_by_role("button", name="Back to 0.05").click()
    await expect(knob).to_contain_text("Default")
    await eventually(lambda: chat.now["sampling"] == {})


async def test_what_the_engine_ignores_and_what_waits_is_said_at_the_control(panel):
    await panel.get_by_text("Unlikely words").click()
    tail = panel.get_by_role("group", name="Tail-free")
    await expect(tail).to_contain_text("The usual engine lacks it")
    await panel.get_by_text("Surprise", exact=True).click()
    threshold = panel.get_by_role("group", name="XTC threshold")
    await expect(threshold).to_contain_text("Does nothing until “XTC chance” is set.")
    await panel.get_by_role("slider", name="XTC chance").fill("0.5")
    await expect(threshold).not_to_contain_text("Does nothing")


async def test_lists_and_the_order_of_the_steps_are_kept_as_they_are_typed(page, panel, chat):
    await panel.get_by_text("Length and end").click()
    await panel.get_by_role("textbox", name="Stop texts").fill("The end\n\\n\\n")
    await composer(page).click()
    await panel.get_by_text("Order", exact=True).click()
    await panel.get_by_role("button", name="Temperature: earlier", exact=True).click()
    await expect(panel.get_by_role("group", name="Order of the steps")).to_contain_text("Set in this chat")
    await eventually(lambda: "sampler_order" in chat.now["sampling"])
    sampling = chat.now["sampling"]
    assert sampling["stop"] == ["The end", "\n\n"]
    order = sampling["sampler_order"]
    assert order.index("temperature") < order.index("smoothing")


async def test_the_chats_values_become_a_preset_that_can_be_renamed(page, panel, chat, client):
    await panel.get_by_role("spinbutton", name="Temperature").fill("0.45")
    await panel.get_by_role("spinbutton", name="Seed").fill("9")
    await composer(page).click()
    await panel.get_by_role("button", name="Presets: more").click()
    await page.get_by_role("menuitem", name="Save as a preset").click()
    await page.get_by_role("textbox", name="Name").fill("dusk")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(panel.get_by_role("combobox", name="Preset")).to_have_value("dusk")
    await eventually(lambda: chat.now["sampling"] == {"preset": "dusk", "seed": 9})
    await panel.get_by_role("button", name="Presets: more").click()
    await page.get_by_role("menuitem", name="Rename or describe").click()
    await page.get_by_role("textbox", name="Name").fill("dawn")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(panel.get_by_role("combobox", name="Preset")).to_have_value("dawn")
    await eventually(lambda: client.get("/presets/dawn")["sampling"] == {"temperature": 0.45})
    client.call("DELETE", "/presets/dawn", 204)


async def test_a_preset_file_of_another_program_is_taken_in(panel, chat, client):
    file = {"name": "mist.json", "mimeType": "application/json", "buffer": b'{"temp": 0.9, "rep_pen": 1.1}'}
    await panel.get_by_label("Take from a file").set_input_files(file)
    await expect(panel.get_by_role("combobox", name="Preset")).to_have_value("mist")
    await expect(panel.get_by_role("spinbutton", name="Repetition penalty")).to_have_value("1.1")
    client.call("DELETE", "/presets/mist", 204)


async def test_the_picture_follows_a_control(page, panel, chat):
    await said(page, "Hello")
    await panel.get_by_text("What the settings do to the next word").click()
    picture = panel.get_by_role("table", name="What the settings do to the next word")
    await expect(picture.get_by_role("row").nth(1)).to_contain_text("Reply")
    await panel.get_by_role("slider", name="Temperature").fill("0")
    await expect(panel).to_contain_text("as if among 1.0")


async def test_it_says_what_is_refused_here_and_leads_to_the_page(page, panel):
    row = panel.get_by_role("link", name="What is refused here")
    await expect(row).to_contain_text("there is no switch")
    await row.click()
    await expect(page.get_by_role("heading", name="What is refused")).to_be_visible()
