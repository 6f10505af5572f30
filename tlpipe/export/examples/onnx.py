"""Labels of pictures: python use.py PICTURE...    (pip install onnxruntime numpy pillow)"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
about = session.get_modelmeta().custom_metadata_map
about = {key: json.loads(value) for key, value in about.items()}
size, channels, low, high = (about[key] for key in ("size", "channels", "low", "high"))
fit = {"crop": ImageOps.fit, "pad": ImageOps.pad, "squash": Image.Image.resize}
if channels not in (1, 3):
    sys.exit(f"No pictures: give the network arrays, uint8 (n, {size}, {size}, {channels}).")
for path in sys.argv[1:] or sys.exit(__doc__):
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode.startswith("I;16"):  # gray of 16 bits
        deep = np.asarray(picture, "float32")
        deep = deep // 256 if (low, high) == (0, 255) else (deep - low) * 255 / (high - low) + 0.5
        picture = Image.fromarray(deep.clip(0, 255).astype("uint8"))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    # Of colours of 16 bits Pillow keeps the upper byte: where low and high are set, read them anew.
    picture = picture.convert("L" if channels == 1 else "RGB")
    picture = fit[about["resize"]](picture, (size, size), Image.Resampling.HAMMING)
    pixels = np.asarray(picture, "uint8").reshape(1, size, size, channels)
    (answers,) = session.run(None, {"image": pixels})
    ranked = sorted(zip(answers[0].tolist(), about["class_names"], strict=True), reverse=True)
    for answer, name in ranked[:3]:
        print(path, name, f"{answer:.4f}")
