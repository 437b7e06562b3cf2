package segments

// Afresh computes what follows from calibrations.
var Afresh = (*Document).stand
