"""Labels of pictures: python use.py PICTURE...    (pip install onnxruntime numpy pillow)"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
about = session.get_modelmeta().custom_metadata_map
names, size, channels = (json.loads(about[key]) for key in ("class_names", "size", "channels"))
fit = {"crop": ImageOps.fit, "pad": ImageOps.pad, "squash": Image.Image.resize}
for path in sys.argv[1:] or sys.exit(__doc__):
    picture = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    picture = fit[json.loads(about["resize"])](picture, (size, size), Image.Resampling.HAMMING)
    pixels = np.asarray(picture, "uint8").reshape(1, size, size, channels)
    (answers,) = session.run(None, {"image": pixels})
    for answer, name in sorted(zip(answers[0].tolist(), names, strict=True), reverse=True)[:3]:
        print(path, name, f"{answer:.4f}")
