/* Elementary functions in double, the same bits everywhere; no operation is fused. */
#ifndef DIT_ELEMENTARY_H
#define DIT_ELEMENTARY_H

double dit__exp(double x);
double dit__log(double x);                                /* x > 0 */
void dit__sincos(double x, double *sine, double *cosine); /* |x| < 1e6 */

#endif
