/* The pass marks of the tests, in one place. */
#ifndef DIT_MARKS_H
#define DIT_MARKS_H

#define MARK_TRANSFORMER 2e-6 /* relative L2 error of dit_forward in f32 against float64 */
/* Of a trajectory of JiT with guidance above 2, which weighs the errors of its passes; PyTorch's float32 is 2.65e-6 off. */
#define MARK_GUIDED 3e-6
#define MARK_AUTOENCODER 5e-6 /* likewise dit_vae_decode, and the mean of dit_vae_encode */
#define MARK_LOGVAR 1e-4      /* largest absolute error of log-variances */
#define MARK_INT8 0.03        /* relative L2 error of a pass in int8 against f32 */
#define MARK_Q4 0.065         /* likewise of a pass in q4 */
#define MARK_NORMALS 2e-6     /* largest difference of a normal number from PyTorch's */
#define MARK_STEPS 1e-5       /* relative L2 error of the states of a trajectory without a network */
#define MARK_RUN 2e-5         /* likewise with one */
#define MARK_PIXELS 1e-3      /* share of pixels that may be one grey level off at the end of a trajectory */

#endif
