// The photon transport of transport.py and photon_sampling.py for CUDA: one thread follows one
// history at a time.
//
// The arithmetic, its order and the random numbers are theirs, in double precision, so that a
// history is the same on both. Compiled as plain C++ (g++ -x c++) the file gives
// run_histories_host, which a test compares with transport.py; compiled by nvcc it gives the
// kernel run_histories as well.

#ifdef __CUDACC__
#define DEVICE __host__ __device__ static
#else
#define DEVICE static
#endif
#include <math.h>
#include <stdint.h>

static const int MATERIALS = 16;  // most materials of a volume
#define BLOCK 8
#define EPSILON 1e-9
#define REST_ENERGY 510.99895
#define KEV_ANGSTROM 12.398419843
#define PI 3.14159265358979323846
#define GOLDEN 0x9E3779B97F4A7C15ULL

// Arrays as in transport.py's run_histories, C-contiguous.
struct Scene {
    const float *densities, *bounds;
    const double *ijk_from_mm, *mm_from_ijk, *source, *detector, *field, *spectrum, *grid;
    const double *total, *photoelectric, *coherent, *form_integral, *scattering, *norm;
    double width, height;
    int64_t size[3], materials, lines, energies, transfers, rows, columns, groups;
    uint64_t seed;
};

DEVICE uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31);
}

DEVICE double uniform(uint64_t &state) {
    state += GOLDEN;
    return ((double)(mix(state) >> 11) + 0.5) / 9007199254740992.0;
}

DEVICE double table(const double *values, int64_t count, double position) {
    position = fmin(fmax(position, 0.0), count - 1.0);
    int64_t index = (int64_t)position;
    if (index > count - 2) index = count - 2;
    double fraction = position - index;
    return values[index] * (1.0 - fraction) + values[index + 1] * fraction;
}

DEVICE double bracket(const double *values, int64_t count, double wanted) {
    int64_t low = 0, high = count - 1;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (values[middle] <= wanted) low = middle; else high = middle;
    }
    double rise = values[high] - values[low];
    return rise > 0.0 ? low + fmin(fmax((wanted - values[low]) / rise, 0.0), 1.0) : (double)low;
}

DEVICE double draw_compton(double energy, const double *scattering, int64_t count,
                           double per_transfer, uint64_t &state, double &cosine) {
    double k = energy / REST_ENERGY, least = 1.0 / (1.0 + 2.0 * k);
    double first = -log(least), second = 0.5 * (1.0 - least * least);
    for (;;) {
        double ratio;
        if (uniform(state) * (first + second) < first) ratio = exp(-first * uniform(state));
        else ratio = sqrt(least * least + 2.0 * second * uniform(state));
        double versine = (1.0 - ratio) / (k * ratio), square = versine * (2.0 - versine);
        double accept = 1.0 - ratio * square / (1.0 + ratio * ratio);
        double transfer = energy * sqrt(fmax(0.5 * versine, 0.0)) / KEV_ANGSTROM;
        if (uniform(state) < accept * table(scattering, count, transfer * per_transfer)) {
            cosine = 1.0 - versine;
            return energy * ratio;
        }
    }
}

DEVICE double draw_rayleigh(double energy, const double *integral, int64_t count,
                            double per_transfer, uint64_t &state) {
    double largest = energy / KEV_ANGSTROM;
    double limit = table(integral, count, largest * per_transfer);
    for (;;) {
        double index = bracket(integral, count, limit * uniform(state));
        int64_t low = (int64_t)index;
        double x2 = low * low + (index - low) * (2.0 * low + 1.0);
        double scale = per_transfer * largest;
        double cosine = fmax(1.0 - 2.0 * x2 / (scale * scale), -1.0);
        if (2.0 * uniform(state) < 1.0 + cosine * cosine) return cosine;
    }
}

DEVICE void turn(double *direction, double cosine, double azimuth) {
    double sine = sqrt(fmax(1.0 - cosine * cosine, 0.0));
    double a = sine * cos(azimuth), b = sine * sin(azimuth);
    double x = direction[0], y = direction[1], z = direction[2];
    double across = sqrt(fmax(1.0 - z * z, 0.0));
    if (across > 1e-6) {
        direction[0] = x * cosine + (x * z * a - y * b) / across;
        direction[1] = y * cosine + (y * z * a + x * b) / across;
        direction[2] = z * cosine - across * a;
    } else {
        direction[0] = a; direction[1] = b; direction[2] = z > 0.0 ? cosine : -cosine;
    }
    double length = sqrt(direction[0] * direction[0] + direction[1] * direction[1]
                         + direction[2] * direction[2]);
    for (int axis = 0; axis < 3; axis++) direction[axis] /= length;
}

DEVICE void to_box(const double *position, const double *step, const int64_t *size,
                   double &start, double &stop) {
    start = 0.0; stop = INFINITY;
    for (int axis = 0; axis < 3; axis++) {
        double low = -0.5, high = size[axis] - 0.5;
        if (fabs(step[axis]) < 1e-14) {
            if (position[axis] < low || position[axis] > high) stop = -1.0;
        } else {
            double a = (low - position[axis]) / step[axis];
            double b = (high - position[axis]) / step[axis];
            start = fmax(start, fmin(a, b)); stop = fmin(stop, fmax(a, b));
        }
    }
}

DEVICE void mass_to_exit(const Scene &s, const double *position, const double *step, double *mass) {
    double start, stop, crossing[3], stride[3], t = 0.0;
    int64_t at[3], way[3];
    for (int m = 0; m < s.materials; m++) mass[m] = 0.0;
    to_box(position, step, s.size, start, stop);
    for (int axis = 0; axis < 3; axis++) {
        at[axis] = (int64_t)floor(position[axis] + 0.5);
        if (at[axis] < 0) at[axis] = 0;
        if (at[axis] > s.size[axis] - 1) at[axis] = s.size[axis] - 1;
        if (fabs(step[axis]) < 1e-14) {
            crossing[axis] = stride[axis] = INFINITY; way[axis] = 0;
        } else {
            way[axis] = step[axis] > 0.0 ? 1 : -1;
            crossing[axis] = (at[axis] + 0.5 * way[axis] - position[axis]) / step[axis];
            stride[axis] = 1.0 / fabs(step[axis]);
        }
    }
    while (t < stop) {
        int axis = crossing[0] < crossing[1] ? 0 : 1;
        if (crossing[2] < crossing[axis]) axis = 2;
        double end = fmin(crossing[axis], stop), length = 0.1 * (end - t);
        const float *here =
            s.densities + ((at[2] * s.size[1] + at[1]) * s.size[0] + at[0]) * s.materials;
        if (length > 0.0)
            for (int m = 0; m < s.materials; m++) mass[m] += length * here[m];
        t = fmax(t, end);
        at[axis] += way[axis];
        if (at[axis] < 0 || at[axis] >= s.size[axis]) break;
        crossing[axis] += stride[axis];
    }
}

DEVICE void add(double *target, double value) {
#ifdef __CUDA_ARCH__
    atomicAdd(target, value);
#else
    *target += value;
#endif
}

DEVICE void add_picture(const Scene &s, double *picture, double u, double v, double value) {
    double column = floor((u + 0.5) / s.width * s.columns);
    double row = floor((v + 0.5) / s.height * s.rows);
    if (row >= 0 && row < s.rows && column >= 0 && column < s.columns)
        add(picture + (int64_t)row * s.columns + (int64_t)column, value);
}

// The energy that photons of an energy bring, to the picture of its kind, and where there are
// groups, bins of 1 keV, the photons to that of theirs.
DEVICE void score(const Scene &s, double *pictures, int kind, double u, double v, double energy,
                  double value) {
    int64_t cells = s.rows * s.columns, group = (int64_t)floor(energy);
    add_picture(s, pictures + kind * cells, u, v, value);
    if (group < s.groups) add_picture(s, pictures + (4 + group) * cells, u, v, value / energy);
}

DEVICE void multiply(const double *matrix, const double *vector, double *out) {
    for (int row = 0; row < 3; row++) {
        out[row] = matrix[3 * row] * vector[0] + matrix[3 * row + 1] * vector[1];
        out[row] += matrix[3 * row + 2] * vector[2];
    }
}

DEVICE void offset_of(const Scene &s, const double *position, double *out) {
    double way[3];
    for (int axis = 0; axis < 3; axis++) way[axis] = position[axis] - s.source[axis];
    multiply(s.mm_from_ijk, way, out);
}

DEVICE void normal_of(const double *d, double *normal) {
    normal[0] = d[4] * d[8] - d[5] * d[7];
    normal[1] = d[5] * d[6] - d[3] * d[8];
    normal[2] = d[3] * d[7] - d[4] * d[6];
}

DEVICE bool strike(const Scene &s, const double *offset, const double *direction, double *pixel) {
    const double *d = s.detector;
    double normal[3], speed = 0.0, height = 0.0;
    normal_of(d, normal);
    for (int axis = 0; axis < 3; axis++) {
        speed += normal[axis] * direction[axis];
        height += normal[axis] * (d[axis] - offset[axis]);
    }
    if (speed * height <= 0.0) return false;
    pixel[0] = pixel[1] = 0.0;
    for (int axis = 0; axis < 3; axis++) {
        double across = offset[axis] + height / speed * direction[axis] - d[axis];
        pixel[0] += d[9 + axis] * across;
        pixel[1] += d[12 + axis] * across;
    }
    return true;
}

DEVICE double transmission(const Scene &s, const double *mass, double index) {
    double depth = 0.0;
    for (int m = 0; m < s.materials; m++)
        depth += table(s.total + m * s.energies, s.energies, index) * mass[m];
    return exp(-depth);
}

DEVICE void follow(const Scene &s, uint64_t history, double *pictures, double *tally) {
    uint64_t state = mix(mix(s.seed + GOLDEN) + GOLDEN * (history + 1));
    double position[3], step[3], direction[3], aim[3], offset[3], pixel[2], normal[3];
    double mass[MATERIALS], attenuation[MATERIALS], length = 0.0, start, stop;
    const double *d = s.detector, *grid = s.grid;
    int64_t cells = s.rows * s.columns, at[3], low = 0, high = s.lines - 1;
    normal_of(d, normal);
    double pixel_area =
        sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
    double chance = uniform(state);
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (s.spectrum[s.lines + middle] < chance) low = middle + 1; else high = middle;
    }
    double energy = s.spectrum[low];
    double u = s.field[0] + uniform(state) * (s.field[1] - s.field[0]);
    double v = s.field[2] + uniform(state) * (s.field[3] - s.field[2]);
    for (int axis = 0; axis < 3; axis++) {
        direction[axis] = d[axis] + u * d[3 + axis] + v * d[6 + axis];
        length += direction[axis] * direction[axis];
        position[axis] = s.source[axis];
    }
    length = sqrt(length);
    for (int axis = 0; axis < 3; axis++) direction[axis] /= length;
    multiply(s.ijk_from_mm, direction, step);
    add(tally, energy);
    to_box(position, step, s.size, start, stop);
    if (stop <= start) { add(tally + 2, energy); return; }
    for (int axis = 0; axis < 3; axis++) {
        position[axis] += start * step[axis];
        position[axis] = fmin(position[axis], s.size[axis] - 0.5 - EPSILON);
        position[axis] = fmax(position[axis], EPSILON - 0.5);
    }
    for (int order = 0;;) {
        double index = (energy - grid[0]) * grid[1], kind = -1.0;
        int material = 0;
        bool inside;
        for (int m = 0; m < s.materials; m++)
            attenuation[m] = 0.1 * table(s.total + m * s.energies, s.energies, index);
        for (;;) {
            double border = INFINITY, largest = 0.0, here = 0.0, beyond = 0.0;
            int across = 0;
            inside = true;
            for (int axis = 0; axis < 3; axis++) {
                at[axis] = (int64_t)floor(position[axis] + 0.5);
                if (at[axis] < 0 || at[axis] >= s.size[axis]) { inside = false; continue; }
                int64_t face = BLOCK * (at[axis] / BLOCK + (step[axis] > 0.0));
                if (face > s.size[axis]) face = s.size[axis];
                if (fabs(step[axis]) > 1e-14) {
                    double reach = (face - 0.5 - position[axis]) / step[axis];
                    if (reach < border) {
                        border = reach;
                        across = axis;
                        beyond = face - 0.5 + (step[axis] > 0.0 ? EPSILON : -EPSILON);
                    }
                }
            }
            if (!inside) break;
            int64_t wide = (s.size[0] + BLOCK - 1) / BLOCK, tall = (s.size[1] + BLOCK - 1) / BLOCK;
            int64_t block = (at[2] / BLOCK * tall + at[1] / BLOCK) * wide + at[0] / BLOCK;
            for (int m = 0; m < s.materials; m++)
                largest += s.bounds[block * s.materials + m] * attenuation[m];
            double distance = largest > 0.0 ? -log(uniform(state)) / largest : INFINITY;
            if (distance >= border) {
                for (int axis = 0; axis < 3; axis++) position[axis] += border * step[axis];
                position[across] = beyond;
                continue;
            }
            for (int axis = 0; axis < 3; axis++) {
                position[axis] += distance * step[axis];
                at[axis] = (int64_t)floor(position[axis] + 0.5);
                if (at[axis] < 0) at[axis] = 0;
                if (at[axis] > s.size[axis] - 1) at[axis] = s.size[axis] - 1;
            }
            chance = uniform(state) * largest;
            const float *voxel =
                s.densities + ((at[2] * s.size[1] + at[1]) * s.size[0] + at[0]) * s.materials;
            for (int m = 0; m < s.materials; m++) {
                double share = voxel[m] * attenuation[m];
                if (kind < 0.0 && chance < here + share) {
                    material = m;
                    kind = (chance - here) / share;
                }
                here += share;
            }
            if (kind >= 0.0) break;
        }
        if (!inside) {
            add(tally + (order ? 3 : 2), energy);
            if (order) {
                offset_of(s, position, offset);
                if (strike(s, offset, direction, pixel))
                    add_picture(s, pictures + 3 * cells, pixel[0], pixel[1], energy);
            }
            return;
        }
        order++;
        int64_t row = material * s.energies;
        kind *= table(s.total + row, s.energies, index);
        double deposited = energy, cosine = 0.0;
        double absorbed = table(s.photoelectric + row, s.energies, index);
        if (kind < absorbed) {
            energy = 0.0;
        } else if (kind < absorbed + table(s.coherent + row, s.energies, index)) {
            deposited = 0.0;
            cosine = draw_rayleigh(energy, s.form_integral + material * s.transfers, s.transfers,
                                   grid[2], state);
            turn(direction, cosine, 2.0 * PI * uniform(state));
            multiply(s.ijk_from_mm, direction, step);
            offset_of(s, position, offset);
            if (strike(s, offset, direction, pixel)) {
                mass_to_exit(s, position, step, mass);
                double value = energy * transmission(s, mass, index);
                score(s, pictures, order == 1 ? 1 : 2, pixel[0], pixel[1], energy, value);
            }
        } else {
            const double *scattering = s.scattering + material * s.transfers;
            u = uniform(state) * s.width - 0.5;
            v = uniform(state) * s.height - 0.5;
            offset_of(s, position, offset);
            double square = 0.0;
            for (int axis = 0; axis < 3; axis++) {
                aim[axis] = d[axis] + u * d[3 + axis] + v * d[6 + axis];
                aim[axis] -= offset[axis];
                square += aim[axis] * aim[axis];
            }
            double toward = aim[0] * normal[0] + aim[1] * normal[1] + aim[2] * normal[2];
            double behind = d[0] * normal[0] + d[1] * normal[1] + d[2] * normal[2];
            if (toward * behind > 0.0) {
                double distance = sqrt(square);
                for (int axis = 0; axis < 3; axis++) {
                    aim[axis] /= distance;
                    cosine += aim[axis] * direction[axis];
                }
                double ratio = 1.0 / (1.0 + energy / REST_ENERGY * (1.0 - cosine));
                double transfer = energy * sqrt(fmax(0.5 * (1.0 - cosine), 0.0)) / KEV_ANGSTROM;
                double weight = ratio * ratio * (ratio + 1.0 / ratio - 1.0 + cosine * cosine);
                weight *= table(scattering, s.transfers, transfer * grid[2]);
                weight /= table(s.norm + row, s.energies, index);
                weight *= pixel_area * s.width * s.height * fabs(toward)
                          / (pixel_area * distance * square);
                multiply(s.ijk_from_mm, aim, step);
                mass_to_exit(s, position, step, mass);
                double value = energy * ratio * weight;
                value *= transmission(s, mass, (energy * ratio - grid[0]) * grid[1]);
                score(s, pictures, order == 1 ? 0 : 2, u, v, energy * ratio, value);
            }
            double after = draw_compton(energy, scattering, s.transfers, grid[2], state, cosine);
            turn(direction, cosine, 2.0 * PI * uniform(state));
            multiply(s.ijk_from_mm, direction, step);
            deposited = energy - after;
            energy = after;
        }
        if (energy > 0.0 && energy < grid[3]) { deposited += energy; energy = 0.0; }
        add(tally + 1, deposited);
        if (energy == 0.0) return;
    }
}

extern "C" void run_histories_host(const Scene *scene, uint64_t first, uint64_t count,
                                   double *pictures, double *tally) {
    for (uint64_t n = 0; n < count; n++) follow(*scene, first + n, pictures, tally);
}

#ifdef __CUDACC__
// Parts lie along the grid's y: each has count histories, its pictures and its tally.
extern "C" __global__ void run_histories(Scene scene, uint64_t first, uint64_t count,
                                         double *pictures, double *tallies) {
    uint64_t stride = (uint64_t)gridDim.x * blockDim.x, part = blockIdx.y;
    first += part * count;
    pictures += part * (4 + scene.groups) * scene.rows * scene.columns;
    for (uint64_t n = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; n < count; n += stride)
        follow(scene, first + n, pictures, tallies + 4 * part);
}
#endif
