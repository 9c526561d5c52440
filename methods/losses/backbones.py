"""Names, in `bench.weights`, of what losses need to be given. Light: no torch."""

ARCFACE = "arcface_ir_se50"
"""GPEN's identity loss: `model_ir_se50.pth`."""
GREY_ARCFACE = "arcface_resnet18"
"""GFP-GAN's, which looks at grey images: `arcface_resnet18.pth`."""
FACE_BOXES = "face_boxes"
"""No network: a box per part and image; registered is FFHQ's of the GFP-GAN release."""
