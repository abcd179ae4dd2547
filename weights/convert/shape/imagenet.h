/* Names for models of 1000 classes that have none. */
#ifndef DIT_CONVERT_IMAGENET_H
#define DIT_CONVERT_IMAGENET_H

enum { IMAGENET_CLASSES = 1000 };
extern const char *const imagenet_names[IMAGENET_CLASSES];

#endif
