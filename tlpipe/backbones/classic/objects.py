"""Importing this tells Keras about every layer of the classic networks: it can load them then."""

import tlpipe.backbones.classic.alphago
import tlpipe.backbones.classic.convolution
import tlpipe.backbones.classic.layers
import tlpipe.backbones.classic.lenet5
import tlpipe.backbones.classic.shufflenet_v2  # noqa: F401
