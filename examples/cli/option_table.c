/* The table of options. The help appends the names of an enum to the text of an option that takes one. */
#include "option_table.h"

#include <stddef.h>

#include "dit.h"

#define OPTION(letter_, name_, value_, topic_, recorded_, help_) \
  { .letter = letter_, .name = name_, .value = value_, .topic = topic_, .recorded = recorded_, .help = help_ }
#define FLAG(letter_, name_, topic_, recorded_, help_) OPTION(letter_, name_, NULL, topic_, recorded_, help_)
#define ENUM(name_, names_, topic_, recorded_, help_) \
  { .name = name_, .value = "NAME", .names = names_, .topic = topic_, .recorded = recorded_, .help = help_ }

const option_row option_table[OPTIONS] = {
    [OPTION_MODEL] = OPTION('m', "model", "FILE", TOPIC_BASICS, 0, "model file (default: the embedded sprites)"),
    [OPTION_CLASSES] = OPTION('c', "classes", "LIST", TOPIC_BASICS, 1, "names or numbers with commas, 'all' or 'none'"),
    [OPTION_COUNT] = OPTION('n', "count", "N", TOPIC_BASICS, 1, "pictures of each class (default: 1)"),
    [OPTION_SEED] = OPTION('S', "seed", "N", TOPIC_BASICS, 1, "seed of each class's first picture (default: 0)"),
    [OPTION_WIDTH] = OPTION(0, "width", "N", TOPIC_BASICS, 1, "pixels (default: the model's)"),
    [OPTION_HEIGHT] = OPTION(0, "height", "N", TOPIC_BASICS, 1, "pixels (default: the model's)"),
    [OPTION_OUTPUT] = OPTION('o', "output", "FILE", TOPIC_BASICS, 0, "PNG file (default: dit.png), a pattern, or -"),
    [OPTION_SCALE] = OPTION(0, "scale", "N", TOPIC_BASICS, 1, "enlarge each pixel to N x N (default: 1)"),
    [OPTION_QUIET] = FLAG('q', "quiet", TOPIC_BASICS, 0, "print errors only"),
    [OPTION_HELP] = FLAG('h', "help", TOPIC_BASICS, 0, "print this; --help=TOPIC prints more"),
    [OPTION_VERSION] = FLAG(0, "version", TOPIC_BASICS, 0, "print the version"),
    [OPTION_INFO] = FLAG(0, "info", TOPIC_BASICS, 0, "describe the model"),
    [OPTION_LIST] = FLAG(0, "list", TOPIC_BASICS, 0, "list the model's classes"),

    [OPTION_STEPS] = OPTION('s', "steps", "N", TOPIC_SAMPLING, 1, "sampling steps, 1 to 1000 (default: the model's)"),
    [OPTION_SAMPLER] = ENUM("sampler", dit_sampler_name, TOPIC_SAMPLING, 1, "sampler (default: the model's)"),
    [OPTION_TIMESTEP_SPACING] = ENUM("timestep-spacing", dit_spacing_name, TOPIC_SAMPLING, 1, "timesteps"),
    [OPTION_TIMESTEP_SHIFT] =
        OPTION(0, "timestep-shift", "X", TOPIC_SAMPLING, 1, "flow matching: above 1 more steps are noisy ones"),
    [OPTION_ETA] = OPTION(0, "eta", "X", TOPIC_SAMPLING, 1, "noise of DDIM, 0 to 1 (default: 0)"),
    [OPTION_GENERATOR] = ENUM("generator", dit_generator_name, TOPIC_SAMPLING, 1, "random numbers (default: dit)"),
    [OPTION_REFERENCE] = FLAG(0, "reference", TOPIC_SAMPLING, 1, "make what the official sample.py makes of a seed"),
    [OPTION_DIFFUSERS] = FLAG(0, "diffusers", TOPIC_SAMPLING, 1, "make what diffusers' DiTPipeline makes of a seed"),
    [OPTION_GUIDANCE_SCALE] =
        OPTION('g', "guidance-scale", "X", TOPIC_SAMPLING, 1, "guidance; 1 is none, and takes half the time"),
    [OPTION_GUIDANCE_CHANNELS] =
        OPTION(0, "guidance-channels", "N", TOPIC_SAMPLING, 1, "number of guided latent channels, or 'all'"),
    [OPTION_GUIDANCE_START] =
        OPTION(0, "guidance-start", "X", TOPIC_SAMPLING, 1, "guide from here on, 0 to 1; 0 is the noisy end"),
    [OPTION_GUIDANCE_END] = OPTION(0, "guidance-end", "X", TOPIC_SAMPLING, 1, "guide up to here; 1 is the last step"),
    [OPTION_CACHE_INTERVAL] =
        OPTION(0, "cache-interval", "N", TOPIC_SAMPLING, 1, "run the blocks at every N-th step only (default: 1)"),
    [OPTION_FAST] = FLAG(0, "fast", TOPIC_SAMPLING, 1, "few steps of dpm++, half of them guided: 2x as fast"),
    [OPTION_COMPUTE] =
        ENUM("compute", dit_compute_name, TOPIC_SAMPLING, 1, "arithmetic (default: int8 for q8 and q4, else f32)"),

    [OPTION_INIT_IMAGE] =
        OPTION('i', "init-image", "PNG", TOPIC_EDITING, 0, "start from this picture instead of noise"),
    [OPTION_STRENGTH] =
        OPTION(0, "strength", "X", TOPIC_EDITING, 1, "how much of it may change: up to 1, all (default)"),
    [OPTION_MASK] = OPTION(0, "mask", "PNG", TOPIC_EDITING, 0, "with -i: white is repainted, black is kept"),
    [OPTION_MIX] =
        OPTION(0, "mix", "CLASS:X", TOPIC_EDITING, 1, "mix each class with another; X, 0 to 1, is its share"),
    [OPTION_AGAIN] = OPTION(0, "again", "PNG", TOPIC_EDITING, 0, "make the picture again (to again.png by default)"),

    [OPTION_SHOW] = FLAG(0, "show", TOPIC_RUNNING, 0, "show the pictures in the terminal"),
    [OPTION_PREVIEW] = FLAG(0, "preview", TOPIC_RUNNING, 0, "watch the pictures grow in the terminal"),
    [OPTION_JSON] = FLAG(0, "json", TOPIC_RUNNING, 0, "report what was made as JSON on standard output"),
    [OPTION_MEMORY] = FLAG(0, "memory", TOPIC_RUNNING, 0, "print the memory that this job needs, and exit"),
    [OPTION_MEMORY_LIMIT] =
        OPTION(0, "memory-limit", "MB", TOPIC_RUNNING, 0, "use at most this much: slower, the same pictures"),
    [OPTION_LONG] = FLAG(0, "long", TOPIC_RUNNING, 0, "go ahead even if a picture takes more than an hour"),
    [OPTION_PROFILE] = FLAG(0, "profile", TOPIC_RUNNING, 0, "print where the time went"),
    [OPTION_THREADS] = OPTION(0, "threads", "N", TOPIC_RUNNING, 0, "threads (default: one per processor)"),
    [OPTION_ISA] = ENUM("isa", dit_isa_name, TOPIC_RUNNING, 0, "instruction set (default: the best)"),
};
