import { FlaskConical } from "lucide-react"
import { domain } from "../../Console.ts"

export const experiments = domain({
  name: "experiments",
  group: "Release",
  pages: [
    {
      path: "/experiments",
      label: "Experiments",
      icon: FlaskConical,
      key: "x",
      requires: "experiments:read",
      load: () => import("./Experiments.tsx")
    },
    {
      path: "/experiments/$experimentId",
      requires: "experiments:read",
      load: () => import("./Experiment.tsx")
    }
  ],
  lookups: {
    experiment: (id) => ({ to: `/experiments/${encodeURIComponent(id)}` })
  }
})
