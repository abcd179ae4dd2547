"""The layouts in which other programs keep the tensors of DiT and of AutoencoderKL, made from the official names."""
import collections


def diffusers_layout(state, depth, shared):
    """DiTTransformer2DModel. Repeated embedders share their storage, as conversion scripts leave them, or do not."""
    out = collections.OrderedDict()

    def both(new, old, rows=slice(None), copy=False):
        for end in (".weight", ".bias"):
            if old + end in state:
                view = state[old + end][rows]
                out[new + end] = view.clone() if copy else view

    d = state["blocks.0.attn.proj.weight"].shape[0]
    both("pos_embed.proj", "x_embedder.proj")
    for n in range(depth):
        new, old = "transformer_blocks.%d." % n, "blocks.%d." % n
        both(new + "norm1.emb.timestep_embedder.linear_1", "t_embedder.mlp.0", copy=not shared)
        both(new + "norm1.emb.timestep_embedder.linear_2", "t_embedder.mlp.2", copy=not shared)
        both(new + "norm1.emb.class_embedder.embedding_table", "y_embedder.embedding_table", copy=not shared)
        both(new + "norm1.linear", old + "adaLN_modulation.1")
        for i, part in enumerate(("to_q", "to_k", "to_v")):
            both(new + "attn1." + part, old + "attn.qkv", slice(i * d, (i + 1) * d), copy=not shared)
        both(new + "attn1.to_out.0", old + "attn.proj")
        both(new + "ff.net.0.proj", old + "mlp.fc1")
        both(new + "ff.net.2", old + "mlp.fc2")
    both("proj_out_1", "final_layer.adaLN_modulation.1")
    both("proj_out_2", "final_layer.linear")
    return out


def former_layout(state):
    out = collections.OrderedDict()
    for name, t in state.items():
        for now, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace("attentions.0.%s." % now, "attentions.0.%s." % before)
        out[name] = t
    return out


def compvis_layout(state, levels, prefix=""):
    out = collections.OrderedDict()
    inner = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}
    for name, t in state.items():
        part = name.split(".")
        if part[1] in ("down_blocks", "up_blocks"):
            side = part[1].split("_")[0]
            level = int(part[2]) if side == "down" else levels - 1 - int(part[2])
            head = "%s.%s.%d." % (part[0], side, level)
            if part[3] == "resnets":
                name = head + "block.%s.%s.%s" % (part[4], part[5].replace("conv_shortcut", "nin_shortcut"), part[6])
            else:
                name = head + side + "sample.conv." + part[-1]
        elif part[1] == "mid_block" and part[2] == "resnets":
            name = "%s.mid.block_%d.%s.%s" % (part[0], int(part[3]) + 1, part[4], part[5])
        elif part[1] == "mid_block":
            name = "%s.mid.attn_1.%s.%s" % (part[0], inner[part[4]], part[-1])
            t = t[:, :, None, None] if t.dim() == 2 else t
        elif part[1] == "conv_norm_out":
            name = "%s.norm_out.%s" % (part[0], part[2])
        out[prefix + name] = t
    return out
