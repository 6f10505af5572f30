"""Labels of pictures: python use.py PICTURE...    (pip install ai-edge-litert numpy pillow)"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

file = Path(__file__).with_name("model.tflite")
about = json.loads(zipfile.ZipFile(file).read("about.json"))
size, channels = about["size"], about["channels"]
network = Interpreter(str(file)).get_signature_runner()
fit = {"crop": ImageOps.fit, "pad": ImageOps.pad, "squash": Image.Image.resize}
for path in sys.argv[1:] or sys.exit(__doc__):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    picture = fit[about["resize"]](picture, (size, size), Image.Resampling.HAMMING)
    pixels = np.asarray(picture, "uint8").reshape(1, size, size, channels)
    (answers,) = network(image=pixels).values()
    ranked = sorted(zip(answers[0].tolist(), about["class_names"], strict=True), reverse=True)
    for answer, name in ranked[:3]:
        print(path, name, f"{answer:.4f}")
