"""Labels of pictures: python use.py PICTURE...    (pip install tensorflow pillow)"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

folder = Path(__file__).with_name("model")
about = json.loads((folder / "assets.extra" / "about.json").read_text("utf-8"))
size, channels = about["size"], about["channels"]
network = tf.saved_model.load(folder)
fit = {"crop": ImageOps.fit, "pad": ImageOps.pad, "squash": Image.Image.resize}
for path in sys.argv[1:] or sys.exit(__doc__):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    picture = fit[about["resize"]](picture, (size, size), Image.Resampling.HAMMING)
    pixels = np.asarray(picture, "uint8").reshape(1, size, size, channels)
    answers = network.serve(tf.constant(pixels)).numpy()
    ranked = sorted(zip(answers[0].tolist(), about["class_names"], strict=True), reverse=True)
    for answer, name in ranked[:3]:
        print(path, name, f"{answer:.4f}")
