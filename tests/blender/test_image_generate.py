# SPDX-License-Identifier: GPL-3.0-or-later
"""From a picture to a job: what is chosen, what is shown, what is refused, what is left alone."""

from __future__ import annotations

from types import SimpleNamespace

import addon_utils
import bpy
import numpy as np
import pytest
from maquette import weights_fetch
from maquette.operators import image_generate, image_pack, image_source
from maquette.weights import state as weights_state

ORANGE = (0.8, 0.4, 0.2, 1.0)


def settings():
    return bpy.context.scene.maquette


def picture_of(image):
    return bpy.context.window_manager.maquette_pictures.get(str(image.session_uid))


def new_image(name="Chair", *, size=300, is_empty=False) -> bpy.types.Image:
    """Return an image of an orange block on white, never saved."""
    pixels = np.ones((size, size, 4), dtype=np.float32)
    if not is_empty:
        pixels[size // 3 : 2 * size // 3, size // 4 : 3 * size // 4] = ORANGE
    image = bpy.data.images.new(name, size, size)
    image.pixels.foreach_set(pixels.ravel())
    return image


@pytest.fixture
def image():
    return new_image()


@pytest.fixture
def image_file(tmp_path):
    """A picture file that this .blend file does not know yet."""
    image = new_image("On Disk")
    image.filepath_raw, image.file_format = str(tmp_path / "chair.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return str(tmp_path / "chair.png")


@pytest.fixture
def shap_e(tmp_path):
    """Files of the right sizes stand for the pack's image part; they hold zeros."""
    info = weights_fetch.PACKS["shap-e"]
    for component in info.components_of(("image",)):
        for file in component.files:
            path = tmp_path / "packs" / info.id / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as stream:
                stream.truncate(file.size)
    bpy.context.preferences.addons["maquette"].preferences.packs_folder = str(tmp_path / "packs")


@pytest.fixture
def no_starter(tmp_path, monkeypatch):
    """The bundled pack has lost its files."""
    monkeypatch.setattr(weights_state, "bundled_packs_root", lambda: tmp_path / "bundled")


def point_at(image) -> None:
    """Make a reference image the active object."""
    empty = bpy.data.objects.new("Reference", None)
    empty.empty_display_type, empty.data = "IMAGE", image
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.objects.active = empty


# With a model for images


def test_the_image_under_the_mouse_becomes_the_request(image, pipeline, make_result):
    pipeline.results = [make_result()]
    point_at(image)

    assert bpy.ops.maquette.generate_from_image() == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.pack, request.prompt, request.image.source) == ("starter", "", "Chair")
    # The block alone in the middle, half as wide as the image was.
    assert request.image.pixels.shape == (188, 188, 4)
    assert tuple(request.image.pixels[94, 94]) == (204, 102, 51, 255)
    assert request.image.pixels[0, 0, 3] == 0
    assert "Red Cube" in bpy.data.objects


def test_the_sidebar_shows_what_was_chosen(image, pack_for_prompts, pipeline):
    settings().pack = pack_for_prompts
    point_at(image)

    bpy.ops.maquette.generate_from_image()

    assert (settings().source, settings().image, settings().pack) == ("IMAGE", image, "starter")


def test_the_sidebar_begins_with_an_image_at_once(image, pipeline):
    settings().source, settings().image = "IMAGE", image
    assert settings().hindrance == ""

    assert bpy.ops.maquette.generate() == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.pack, request.image.source) == ("starter", "Chair")


def test_settings_of_the_sidebar_are_kept(image, pipeline):
    settings().prompt, settings().seed, settings().count = "a chair", 12, 3
    point_at(image)

    bpy.ops.maquette.generate_from_image()

    assert (pipeline.requests[0].seed, pipeline.requests[0].count) == (12, 3)
    assert settings().prompt == "a chair"


def test_a_file_is_loaded_and_used(image_file, pipeline):
    assert bpy.ops.maquette.generate_from_image_file(filepath=image_file) == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.pack, request.image.source) == ("starter", "chair.png")
    assert settings().image.name == "chair.png"


def test_the_same_file_twice_is_one_image(image_file, pipeline):
    for _ in range(2):
        bpy.ops.maquette.generate_from_image_file(filepath=image_file)

    assert [each.name for each in bpy.data.images] == ["chair.png"]


def test_a_picture_that_shows_nothing_is_refused_and_nothing_changes(pack_for_prompts, pipeline):
    settings().pack = pack_for_prompts
    before = new_image("Before")
    settings().image = before
    point_at(new_image("Nothing", is_empty=True))

    with pytest.raises(RuntimeError, match="Nothing, it shows nothing but its background"):
        bpy.ops.maquette.generate_from_image()

    assert pipeline.requests == []
    assert (settings().source, settings().image, settings().pack) == ("TEXT", before, "spoken")


def test_a_file_that_is_no_picture_is_refused_and_leaves_nothing(tmp_path, pipeline):
    (tmp_path / "notes.png").write_text("hello")

    with pytest.raises(RuntimeError, match=r"Cannot use image notes\.png, there is no picture"):
        bpy.ops.maquette.generate_from_image_file(filepath=str(tmp_path / "notes.png"))

    assert pipeline.requests == []
    assert not bpy.data.images


def test_a_choice_can_be_taken_back(image, image_file, shap_e):
    settings().image, settings().prompt = image, "a chair"

    found = image_source.Found(path=image_file)
    choice = image_generate.Choice(bpy.context, found, "shap-e")
    assert settings().image.name == "chair.png"
    choice.take_back(bpy.context)

    assert (settings().source, settings().image, settings().pack) == ("TEXT", image, "starter")
    assert [each.name for each in bpy.data.images] == ["Chair"]


def test_taking_back_leaves_an_image_that_was_there_before(image, shap_e):
    choice = image_generate.Choice(bpy.context, image_source.Found(image), "shap-e")
    choice.take_back(bpy.context)

    assert settings().image is None
    assert list(bpy.data.images) == [image]


# Without a model for images


def test_what_to_fetch_is_said_with_its_size_and_nothing_changes(image, no_starter, pipeline):
    point_at(image)

    with pytest.raises(RuntimeError) as caught:
        bpy.ops.maquette.generate_from_image()

    assert "needs the OpenAI Shap-E model: fetch it first (1.7 GB)" in str(caught.value)
    assert pipeline.requests == []
    assert (settings().source, settings().image) == ("TEXT", None)


def test_the_chosen_pack_is_preferred(shap_e):
    assert image_pack.ready(bpy.context) == "starter"
    settings().pack = "shap-e"
    assert image_pack.ready(bpy.context) == "shap-e"


def test_another_one_is_found_where_the_chosen_one_is_damaged(shap_e, no_starter):
    assert image_pack.ready(bpy.context) == "shap-e"


def test_a_pack_that_takes_no_images_makes_way_for_one_that_does(pack_for_prompts):
    settings().pack = pack_for_prompts

    offer = image_pack.MAQUETTE_OT_offer_image_pack.invoke
    assert offer(SimpleNamespace(), bpy.context, None) == {"FINISHED"}

    assert settings().pack == "starter"


def test_half_a_pack_is_no_pack(shap_e, no_starter, tmp_path):
    next((tmp_path / "packs").rglob("*.safetensors")).unlink()

    assert image_pack.ready(bpy.context) == ""


def test_nothing_is_fetched_without_online_access():
    assert not bpy.app.online_access

    with pytest.raises(RuntimeError, match="Online access is off"):
        bpy.ops.maquette.offer_image_pack()


def test_the_offer_names_the_pack_and_its_size():
    labels = []
    column = SimpleNamespace(
        label=lambda text, **_: labels.append(text),
        operator=lambda *_, **__: SimpleNamespace(section=""),
    )
    view = SimpleNamespace(layout=SimpleNamespace(column=lambda: column), size="1.7 GB")

    image_pack.MAQUETTE_OT_offer_image_pack.draw(view, bpy.context)

    assert "OpenAI Shap-E, 1.7 GB" in labels[0]


# Where there is no image


def test_without_an_image_the_operator_is_greyed():
    with pytest.raises(RuntimeError, match="There is no image here: choose one first"):
        bpy.ops.maquette.generate_from_image()


def test_files_are_dropped_on_the_viewport_only():
    def drop(area, region="WINDOW"):
        found = SimpleNamespace(type=area) if area else None
        context = SimpleNamespace(area=found, region=SimpleNamespace(type=region))
        return image_generate.MAQUETTE_FH_image.poll_drop(context)

    assert drop("VIEW_3D") is True
    assert drop("VIEW_3D", "UI") is False
    assert drop("IMAGE_EDITOR") is False
    assert drop(None) is False


def test_the_drop_takes_pictures_and_no_movies():
    extensions = image_generate.MAQUETTE_FH_image.bl_file_extensions.split(";")

    assert {".png", ".jpg", ".webp", ".exr"} <= set(extensions)
    assert not {".mp4", ".mov", ".txt"} & set(extensions)
    assert bpy.types.MAQUETTE_FH_image.bl_import_operator == "maquette.generate_from_image_file"


# What panels show


def test_choosing_an_image_shows_it(image):
    settings().image = image

    assert (picture_of(image).error, picture_of(image).notes) == ("", "")


def test_faults_are_told_below_the_picture():
    small = new_image("Small", size=120)

    settings().image = small

    assert picture_of(small).notes == "The object has few pixels: use a larger picture"
    assert picture_of(small).error == ""


def test_why_a_picture_cannot_be_used_is_told():
    nothing = new_image("Nothing", is_empty=True)

    settings().image = nothing

    assert "nothing but its background" in picture_of(nothing).error


def test_looking_again_sees_what_was_painted(image):
    settings().image = image
    pixels = np.ones((300, 300, 4), dtype=np.float32)
    image.pixels.foreach_set(pixels.ravel())

    bpy.ops.maquette.preview_image(image="Chair")

    assert "nothing but its background" in picture_of(image).error
    assert len(bpy.context.window_manager.maquette_pictures) == 1


def test_the_list_of_pictures_stays_short():
    from maquette.operators import image_preview

    for number in range(image_preview.MAX_SHOWN + 4):
        settings().image = new_image(f"{number}", size=40)

    shown = bpy.context.window_manager.maquette_pictures
    assert len(shown) == image_preview.MAX_SHOWN
    assert picture_of(settings().image) is not None


def test_pictures_do_not_outlive_disabling(image):
    settings().image = image

    addon_utils.disable("maquette", default_set=True)
    addon_utils.enable("maquette", default_set=True)

    assert len(bpy.context.window_manager.maquette_pictures) == 0


def test_another_file_starts_without_pictures(image, tmp_path):
    settings().image = image
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert len(bpy.context.window_manager.maquette_pictures) == 0
