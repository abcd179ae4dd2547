"""Random networks: geometries, the shapes of their tensors, and numbers of every type as they are in files."""
import numpy as np

HALF_MOST, BFLOAT_MOST, FLOAT_MOST = 65504.0, 3.3895313892515355e38, float(np.finfo(np.float32).max)


def random_transformer(rng):
    heads = int(rng.integers(1, 4))
    pick = lambda *values: int(rng.choice(values))
    hidden = 4 * heads * pick(1, 2, 3, 4, 6)
    patch = pick(1, 2, 2, 4)
    channels = pick(1, 3, 4, 4, 4, 7)
    return {"hidden": hidden, "depth": pick(1, 2, 3), "heads": heads, "mlp": pick(4 * hidden, 4 * hidden, 4, 28, 40),
            "patch": patch, "latent": patch * pick(1, 2, 3), "in": channels, "out": channels * pick(1, 2),
            "rows": pick(2, 3, 8, 11), "null": bool(rng.random() < 0.7)}


def transformer_shapes(g):
    hidden, patch = g["hidden"], g["patch"]
    shapes = {"pos_embed": (1, (g["latent"] // patch) ** 2, hidden)}

    def linear(name, rows, columns):
        shapes[name + ".weight"], shapes[name + ".bias"] = (rows, columns), (rows,)

    shapes["x_embedder.proj.weight"], shapes["x_embedder.proj.bias"] = (hidden, g["in"], patch, patch), (hidden,)
    linear("t_embedder.mlp.0", hidden, 256)
    linear("t_embedder.mlp.2", hidden, hidden)
    shapes["y_embedder.embedding_table.weight"] = (g["rows"], hidden)
    for n in range(g["depth"]):
        linear("blocks.%d.attn.qkv" % n, 3 * hidden, hidden)
        linear("blocks.%d.attn.proj" % n, hidden, hidden)
        linear("blocks.%d.mlp.fc1" % n, g["mlp"], hidden)
        linear("blocks.%d.mlp.fc2" % n, hidden, g["mlp"])
        linear("blocks.%d.adaLN_modulation.1" % n, 6 * hidden, hidden)
    linear("final_layer.linear", patch * patch * g["out"], hidden)
    linear("final_layer.adaLN_modulation.1", 2 * hidden, hidden)
    return shapes


def random_autoencoder(rng, latent):
    groups = int(rng.integers(1, 4))
    return {"blocks": [groups * int(rng.integers(1, 5)) for _ in range(int(rng.integers(1, 4)))], "groups": groups,
            "layers": int(rng.integers(1, 3)), "image": int(rng.integers(3, 5)), "latent": latent,
            "scale": float(np.round(rng.uniform(0.1, 2), 4))}


def autoencoder_shapes(g):
    shapes = {}

    def conv(name, inputs, outputs, side):
        shapes[name + ".weight"], shapes[name + ".bias"] = (outputs, inputs, side, side), (outputs,)

    def vectors(name, width):
        shapes[name + ".weight"], shapes[name + ".bias"] = (width,), (width,)

    def resnet(name, inputs, outputs):
        vectors(name + ".norm1", inputs)
        conv(name + ".conv1", inputs, outputs, 3)
        vectors(name + ".norm2", outputs)
        conv(name + ".conv2", outputs, outputs, 3)
        if inputs != outputs:
            conv(name + ".conv_shortcut", inputs, outputs, 1)

    for side, way, widths, layers in (("encoder", "down", g["blocks"], g["layers"]), ("decoder", "up", g["blocks"][::-1], g["layers"] + 1)):
        conv(side + ".conv_in", g["image"] if side == "encoder" else g["latent"], widths[0], 3)
        for i, width in enumerate(widths):
            for j in range(layers):
                resnet("%s.%s_blocks.%d.resnets.%d" % (side, way, i, j), width if j or not i else widths[i - 1], width)
            if i + 1 < len(widths):
                conv("%s.%s_blocks.%d.%ssamplers.0.conv" % (side, way, i, way), width, width, 3)
        middle = g["blocks"][-1]
        vectors(side + ".mid_block.attentions.0.group_norm", middle)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            name = "%s.mid_block.attentions.0.%s" % (side, part)
            shapes[name + ".weight"], shapes[name + ".bias"] = (middle, middle), (middle,)
        for i in range(2):
            resnet("%s.mid_block.resnets.%d" % (side, i), middle, middle)
        vectors(side + ".conv_norm_out", widths[-1])
        conv(side + ".conv_out", widths[-1], 2 * g["latent"] if side == "encoder" else g["image"], 3)
    conv("quant_conv", 2 * g["latent"], 2 * g["latent"], 1)
    conv("post_quant_conv", g["latent"], g["latent"], 1)
    return shapes


# ---- Numbers ----


def float8_table(exponent_bits):
    """What the 256 codes of E4M3 (without infinities: E4M3FN) and of E5M2 stand for."""
    mantissa_bits = 7 - exponent_bits
    bias = 2 ** (exponent_bits - 1) - 1
    codes = np.arange(128)
    exponent, mantissa = codes >> mantissa_bits, codes & (2**mantissa_bits - 1)
    share = mantissa / 2.0**mantissa_bits
    values = np.where(exponent, (1 + share) * 2.0 ** (exponent - bias), share * 2.0 ** (1 - bias))
    if exponent_bits == 5:
        values[124], values[125:] = np.inf, np.nan
    else:
        values[127] = np.nan
    return np.concatenate([values, -values]).astype(np.float32)


FLOAT8 = {"f8_e4m3": float8_table(4), "f8_e5m2": float8_table(5)}


def random_numbers(kind, shape, wild, rng):
    """The bits of a tensor as a file of type `kind` has them, an array of unsigned integers or floats of that width.
    wild: any bits that are finite numbers, instead of weights as they usually are."""
    if kind in FLOAT8:
        codes = rng.integers(0, 256, shape, dtype=np.uint8)
        return np.where(np.isfinite(FLOAT8[kind][codes]), codes, 0).astype(np.uint8)
    usual = rng.standard_normal(shape) * 2.0 ** rng.integers(-8, 3)
    if kind == "bf16":
        bits = (usual.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        if wild:
            bits = rng.integers(0, 65536, shape, dtype=np.uint16)
            bits[(bits & 0x7f80) == 0x7f80] &= 0x3fff
        return bits
    form = {"f16": np.float16, "f32": np.float32, "f64": np.float64}[kind]
    if not wild:
        return usual.astype(form)
    size = np.dtype(form).itemsize
    values = rng.integers(0, 256, tuple(shape) + (size,), dtype=np.uint8).view(form).reshape(shape)
    return np.where(np.isfinite(values), values, form(0)).astype(form)


def as_float(kind, numbers):
    """The float32 that a number of a file is; float64 is rounded."""
    if kind in FLOAT8:
        return FLOAT8[kind][numbers]
    if kind == "bf16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def rounded(kind, values):
    """float32 rounded to a type of the model file and back; infinite where they do not fit."""
    if kind == "f32":
        return values
    if kind == "f16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
