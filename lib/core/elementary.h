/* Elementary functions in double that give the same bits everywhere. */
#ifndef DIT_ELEMENTARY_H
#define DIT_ELEMENTARY_H

double dit__exp(double x);
double dit__log(double x);                                /* NaN for x < 0 */
void dit__sincos(double x, double *sine, double *cosine); /* x in radians; NaN for |x| >= 1e6 */

#endif
