// The columns that drizzle hands to a table given as a function: ours are given as objects, so most kinds stay out.
export const getPgColumnBuilders = () => ({})
