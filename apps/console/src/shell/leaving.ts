/** Signing out: the session ends, and nothing of it stays in the browser. */
import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query"
import { consolePath } from "../api/base.ts"
import { signOut } from "../api/session.ts"
import { forgetTheme } from "../ui/theme.ts"

export const useLeaving = (): UseMutationResult<unknown, Error, void> => {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      forgetTheme()
      queries.clear()
      location.assign(consolePath)
    }
  })
}
