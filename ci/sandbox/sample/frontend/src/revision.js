export const revision = 1;
